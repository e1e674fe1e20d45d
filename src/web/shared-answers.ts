/** An answer is kept for so many times what it cost: asking for it again and again takes at most a sixth of the time. */
const REUSE_FACTOR = 5
/** An answer that costs less is computed for each request, so it is never older than the request. */
const CHEAP_MS = 250
/** However long an answer took. */
const MAX_REUSE_MS = 60_000
/** Answers of one kind, so that a reader who goes through all campaigns does not fill the memory. */
const MAX_ANSWERS = 64
/** Rows in all answers of one kind: about 60 MB. */
const MAX_ROWS = 500_000

/**
 * How long an answer is reused for the same question, and after how long a page that shows it asks again.
 * @param costMs from the question to the answer
 * @returns milliseconds, 0 to 60,000
 */
export function reuseMsOf(costMs: number): number {
  return costMs < CHEAP_MS ? 0 : Math.min(costMs * REUSE_FACTOR, MAX_REUSE_MS)
}

export interface Answer<T> {
  readonly value: T
  /** When it was asked for, on the monotonic clock: the answer holds nothing newer. */
  readonly askedAtMs: number
  /** From the question to the answer. */
  readonly costMs: number
}

interface Kept<T> extends Answer<T> {
  readonly rows: number
}

export interface SharedAnswersOptions<T> {
  /** A monotonic clock, in milliseconds. */
  readonly monotonicMs: () => number
  /** Rows of an answer, for the bound of the memory. Null: answers are never kept, only shared while they are computed. */
  readonly rowsOf: ((value: T) => number) | null
}

/** One computation answers all requests that ask the same question at the same time. A costly answer is kept for a while. */
export interface SharedAnswers<T> {
  /**
   * An answer that is kept but no longer fresh is given for as long again, while a newer one is computed. So only
   * the first answer is waited for. Rejects as `compute` does; an error rejects all requests that wait for it, and is not kept.
   * @param question equal for equal questions
   */
  ask(question: string, compute: () => Promise<T>): Promise<Answer<T>>
}

export function shareAnswers<T>({ monotonicMs, rowsOf }: SharedAnswersOptions<T>): SharedAnswers<T> {
  const underWay = new Map<string, Promise<Answer<T>>>()
  // A Map lists its keys in the order in which they were put in: the first one was used least recently.
  const kept = new Map<string, Kept<T>>()

  const keep = (question: string, answer: Answer<T>): void => {
    kept.delete(question)
    const rows = rowsOf?.(answer.value) ?? 0
    // What has no row would hide the first one.
    if (rows === 0 || rows > MAX_ROWS || reuseMsOf(answer.costMs) === 0) return
    kept.set(question, { ...answer, rows })
    for (const oldest of kept.keys()) {
      if (kept.size <= MAX_ANSWERS && rowsIn(kept.values()) <= MAX_ROWS) break
      kept.delete(oldest)
    }
  }

  const begin = (question: string, compute: () => Promise<T>): Promise<Answer<T>> => {
    const asked = answered(compute, monotonicMs)
      .then((answer) => {
        keep(question, answer)
        return answer
      })
      .finally(() => underWay.delete(question))
    underWay.set(question, asked)
    return asked
  }

  const usable = (question: string): Kept<T> | null => {
    const answer = kept.get(question)
    if (answer === undefined) return null
    kept.delete(question)
    if (ageOf(answer, monotonicMs()) >= 2 * reuseMsOf(answer.costMs)) return null
    kept.set(question, answer)
    return answer
  }

  return {
    async ask(question, compute) {
      const answer = usable(question)
      if (answer === null) return await (underWay.get(question) ?? begin(question, compute))
      // An error of it rejects no request now: the next one asks again, and waits once this answer is too old to be given.
      if (ageOf(answer, monotonicMs()) >= reuseMsOf(answer.costMs) && !underWay.has(question))
        begin(question, compute).catch(() => undefined)
      return answer
    },
  }
}

async function answered<T>(compute: () => Promise<T>, monotonicMs: () => number): Promise<Answer<T>> {
  const askedAtMs = monotonicMs()
  const value = await compute()
  return { value, askedAtMs, costMs: monotonicMs() - askedAtMs }
}

/** Since the answer came: what it took to compute is no reason to use it for a shorter time. */
function ageOf({ askedAtMs, costMs }: Answer<unknown>, nowMs: number): number {
  return nowMs - askedAtMs - costMs
}

function rowsIn(answers: Iterable<Kept<unknown>>): number {
  let rows = 0
  for (const answer of answers) rows += answer.rows
  return rows
}
