/** An answer is kept for so many times what it cost, so computing it takes at most a sixth of the time. */
const REUSE_FACTOR = 5
/** A cheaper answer is computed for each request, so it is never older than the request. */
const CHEAP_MS = 250
const MAX_REUSE_MS = 60_000
/** Answers of one kind, so that a reader who opens all campaigns does not fill the memory. */
const MAX_ANSWERS = 64
/** Rows in all answers of one kind: about 60 MB. */
const MAX_ROWS = 500_000

/** The page of a large campaign has several costly answers, and many viewers: each takes at most a fiftieth of the time, and is never computed for one. */
const REUSE_FACTOR_OF_LARGE = 50

/**
 * How long an answer is reused, and after how long a page with it reads again.
 * @param costMs how long it took to compute
 * @param isLarge it is about a campaign of many people
 * @returns milliseconds, 0 to 60,000
 */
export function reuseMsOf(costMs: number, isLarge = false): number {
  if (isLarge) return Math.min(costMs * REUSE_FACTOR_OF_LARGE, MAX_REUSE_MS)
  return costMs < CHEAP_MS ? 0 : Math.min(costMs * REUSE_FACTOR, MAX_REUSE_MS)
}

export interface Answer<T> {
  readonly value: T
  /** When the computation began, on the monotonic clock: the answer has nothing newer. */
  readonly askedAtMs: number
  /** How long the computation took. */
  readonly costMs: number
  /** See {@link reuseMsOf}. */
  readonly reuseMs: number
}

interface Kept<T> extends Answer<T> {
  readonly rows: number
}

export interface SharedAnswersOptions<T> {
  /** A monotonic clock, in milliseconds. */
  readonly monotonicMs: () => number
  /** Rows of an answer, to bound the memory. Null: answers are never kept, only shared while they are computed. */
  readonly countRows: ((value: T) => number) | null
}

/** One computation answers all requests that ask the same question at the same time. A costly answer is kept for a while. */
export interface SharedAnswers<T> {
  /**
   * A kept answer that is no longer fresh is returned for as long again, while a newer one is computed: only the first answer is waited for.
   * Rejects as `compute` does; an error rejects all requests that wait for it, and is not kept.
   * @param question equal for equal questions
   * @param isLarge it is about a campaign of many people
   */
  ask(question: string, compute: () => Promise<T>, isLarge?: boolean): Promise<Answer<T>>
}

export function shareAnswers<T>({ monotonicMs, countRows }: SharedAnswersOptions<T>): SharedAnswers<T> {
  const running = new Map<string, Promise<Answer<T>>>()
  // A Map lists its keys in the order of insertion: the first one was used least recently.
  const kept = new Map<string, Kept<T>>()

  const keep = (question: string, answer: Answer<T>): void => {
    kept.delete(question)
    const rows = countRows?.(answer.value) ?? 0
    // An empty answer is not kept: the first row must be visible at once.
    if (rows === 0 || rows > MAX_ROWS || answer.reuseMs === 0) return
    kept.set(question, { ...answer, rows })
    for (const oldest of kept.keys()) {
      if (kept.size <= MAX_ANSWERS && sumRows(kept.values()) <= MAX_ROWS) break
      kept.delete(oldest)
    }
  }

  const start = (question: string, compute: () => Promise<T>, isLarge: boolean): Promise<Answer<T>> => {
    const answer = measure(compute, monotonicMs, isLarge)
      .then((computed) => {
        keep(question, computed)
        return computed
      })
      .finally(() => running.delete(question))
    running.set(question, answer)
    return answer
  }

  const takeKept = (question: string): Kept<T> | null => {
    const answer = kept.get(question)
    if (answer === undefined) return null
    kept.delete(question)
    if (ageOf(answer, monotonicMs()) >= 2 * answer.reuseMs) return null
    kept.set(question, answer)
    return answer
  }

  return {
    async ask(question, compute, isLarge = false) {
      const answer = takeKept(question)
      if (answer === null) return await (running.get(question) ?? start(question, compute, isLarge))
      // An error of this computation rejects no request. The next request starts it again, and waits for it once the kept answer is too old.
      if (ageOf(answer, monotonicMs()) >= answer.reuseMs && !running.has(question)) start(question, compute, isLarge).catch(() => undefined)
      return answer
    },
  }
}

async function measure<T>(compute: () => Promise<T>, monotonicMs: () => number, isLarge: boolean): Promise<Answer<T>> {
  const askedAtMs = monotonicMs()
  const value = await compute()
  const costMs = monotonicMs() - askedAtMs
  return { value, askedAtMs, costMs, reuseMs: reuseMsOf(costMs, isLarge) }
}

/** Since the end of the computation: a long computation must not shorten the reuse. */
function ageOf({ askedAtMs, costMs }: Answer<unknown>, nowMs: number): number {
  return nowMs - askedAtMs - costMs
}

function sumRows(answers: Iterable<Kept<unknown>>): number {
  let rows = 0
  for (const answer of answers) rows += answer.rows
  return rows
}
