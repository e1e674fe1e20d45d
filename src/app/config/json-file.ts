import { fileFault, type ReadTextFile } from '../../lib/read-text-file.ts'

export interface JsonFile {
  /** Without a byte order mark. */
  readonly content: string
  readonly value: unknown
}

/**
 * Reads a JSON file.
 * @param accepted a sentence that shows what the file may have
 * @returns the value; or what is wrong, as the end of a sentence that begins with the path, with the line where it is known
 */
export function readJsonFile(
  path: string,
  maxBytes: number,
  readFile: ReadTextFile,
  accepted: string,
): JsonFile | { readonly fault: string } {
  let content: string
  try {
    content = readFile(path, maxBytes).replace(/^\uFEFF/, '')
  } catch (error) {
    return { fault: `cannot be read (${fileFault(error)}). Give the path of a JSON file that this user may read.` }
  }
  try {
    return { content, value: JSON.parse(content) }
  } catch (error) {
    return { fault: `is not JSON${describePlace(content, error)}. ${accepted}` }
  }
}

/** Characters before the wrong one that the parser's message quotes. */
const QUOTED_BEFORE = 10

/** ` in line 4`, where the parser's message tells: by a position, or by the text around it. */
function describePlace(content: string, error: unknown): string {
  const message = error instanceof Error ? error.message : ''
  if (message.includes('end of JSON')) return ` to the end, which is in line ${lineOf(content, content.trimEnd().length)}`
  const [, position] = /\bposition (\d+)/.exec(message) ?? []
  if (position !== undefined) return ` in line ${lineOf(content, Number(position))}`
  const [, around = ''] = /\.\.\."([^]+)"(?:\.\.\.)? is not valid JSON$/.exec(message) ?? []
  const start = content.indexOf(around)
  const isUnique = around !== '' && start === content.lastIndexOf(around)
  return isUnique ? ` in line ${lineOf(content, start + QUOTED_BEFORE)}` : ''
}

/** The line of a character, from 1 on. */
export function lineOf(content: string, position: number): number {
  return content.slice(0, position).split('\n').length
}
