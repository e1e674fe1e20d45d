import { setTimeout as sleep } from 'node:timers/promises'

export interface UntilOptions {
  /** Default 30,000. A limit for what went wrong, never a measure: give it plenty. */
  readonly timeoutMs?: number
  /** Default 20. */
  readonly everyMs?: number
  /** What is waited for, for the message: "until …". */
  readonly what: string
}

type Falsy = false | null | undefined | 0 | ''

/**
 * Asks again and again until the answer is truthy, and returns it. A condition that throws (an assertion, a refused connection) is asked again too;
 * its last error is the cause when the time is over.
 */
export async function until<T>(condition: () => T | Falsy | Promise<T | Falsy>, options: UntilOptions): Promise<T> {
  const { timeoutMs = 30_000, everyMs = 20, what } = options
  const deadline = performance.now() + timeoutMs
  let last: unknown
  for (;;) {
    try {
      const answer = await condition()
      if (answer) return answer
      last = answer
    } catch (error) {
      last = error
    }
    if (performance.now() > deadline)
      throw new Error(`${timeoutMs} ms went by, but not until ${what}; at last: ${inWords(last)}`, { cause: last })
    await sleep(everyMs)
  }
}

function inWords(last: unknown): string {
  return last instanceof Error ? last.message : String(last)
}
