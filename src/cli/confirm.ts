import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** The part of stdin that a question needs. */
export type Input = NodeJS.ReadableStream & { readonly isTTY?: boolean | undefined }

/** The part of a terminal that a question is written to. */
interface Output {
  write(text: string): unknown
}

/**
 * Asks for yes or no; an empty line and the end of the input are no. Libraries considered: @inquirer/confirm and prompts; a line is all that is read.
 * @returns true without a question where no person sits at the terminal
 */
export async function confirm(question: string, input: Input | undefined, output: Output): Promise<boolean> {
  if (input?.isTTY !== true) return true
  if (!input.readable) return false
  output.write(`${question} [y/N] `)
  const lines = createInterface({ input })
  try {
    const ended = once(lines, 'close').then(() => [''])
    const [answer]: unknown[] = await Promise.race([once(lines, 'line'), ended])
    return /^(y|yes|是)$/i.test(String(answer).trim())
  } finally {
    lines.close()
  }
}
