import { setTimeout as sleep } from 'node:timers/promises'
import { TrackerError } from '../domain/errors.ts'
import type { Clock } from './ports.ts'

/**
 * Calls are metered, so an answer that could not be stored is kept and its write retried, and no new call is made until an answer has been
 * stored again. Until the first answer of a worker was stored, one poll at a time runs.
 */
export interface WriteBreaker {
  /**
   * Stores an answer, and retries until it succeeds, with growing pauses.
   * @throws the signal's reason when aborted; the write's own error where its row is the cause, which repeating does not repair
   */
  answer<T>(write: () => Promise<T>, signal: AbortSignal): Promise<T>
  /** The same for a write that stores no answer. Its success does not show that answers can be stored. */
  other<T>(write: () => Promise<T>, signal: AbortSignal): Promise<T>
  /** Allows one poll to make calls; it must call the result when it is over. Null: no call may be made now. */
  enter(): (() => void) | null
  /** Since when writes fail, and the error; null: the last one succeeded. */
  failing(): { readonly since: Date; readonly error: unknown } | null
}

export interface WriteBreakerOptions {
  readonly now: Clock
  /** First pause before a write is retried, in milliseconds; doubles up to `maxPauseMs`. */
  readonly pauseMs?: number
  readonly maxPauseMs?: number
  readonly onFailed: (error: unknown) => void
}

interface Failing {
  readonly since: Date
  readonly error: unknown
  readonly of: 'answer' | 'other'
}

/** So many refused answers in a row are no longer the fault of single rows. */
const REFUSED_ROWS = 3
/** The pause before the next call doubles with each further one up to `maxPauseMs` times two to this power. */
const MAX_DOUBLINGS = 6

export function createWriteBreaker({ now, pauseMs = 250, maxPauseMs = 15_000, onFailed }: WriteBreakerOptions): WriteBreaker {
  let failing: Failing | null = null
  /** An answer was stored, and none was refused since. */
  let isProved = false
  let isProving = false
  /** Writes that run or are being retried. */
  let pending = 0
  let refusedInRow = 0
  let nextCallAtMs = 0

  async function untilStored<T>(of: Failing['of'], write: () => Promise<T>, signal: AbortSignal): Promise<T> {
    for (let waitMs = pauseMs; ; waitMs = Math.min(waitMs * 2, maxPauseMs)) {
      try {
        const result = await write()
        if (of === 'answer' || failing?.of === 'other') failing = null
        return result
      } catch (error) {
        // Any other error is caused by the row: the database works.
        if (!(error instanceof TrackerError)) throw error
        failing = { since: failing?.since ?? now(), error, of: failing?.of === 'answer' ? 'answer' : of }
        onFailed(error)
      }
      await sleep(waitMs, undefined, { signal }).catch(() => signal.throwIfAborted())
    }
  }

  function pendingUntilStored<T>(of: Failing['of'], write: () => Promise<T>, signal: AbortSignal): Promise<T> {
    pending++
    return untilStored(of, write, signal).finally(() => pending--)
  }

  /** One refused row says nothing about the others; several in a row do. */
  function refused(error: unknown): void {
    isProved = false
    refusedInRow++
    const doublings = refusedInRow - REFUSED_ROWS
    if (doublings < 0) {
      failing = null
      return
    }
    failing = { since: failing?.since ?? now(), error, of: 'answer' }
    nextCallAtMs = now().getTime() + maxPauseMs * 2 ** Math.min(doublings, MAX_DOUBLINGS)
  }

  return {
    failing: () => failing,
    enter() {
      if (failing === null && isProved) return () => undefined
      if (isProving || (failing !== null && (pending > 0 || now().getTime() < nextCallAtMs))) return null
      isProving = true
      return () => {
        isProving = false
      }
    },
    other: (write, signal) => pendingUntilStored('other', write, signal),
    async answer(write, signal) {
      try {
        const result = await pendingUntilStored('answer', write, signal)
        isProved = true
        refusedInRow = 0
        return result
      } catch (error) {
        if (!signal.aborted) refused(error)
        throw error
      }
    },
  }
}
