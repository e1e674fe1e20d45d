import { TrackerError } from '../core/errors.ts'
import type { Clock } from '../core/ports.ts'

/**
 * Calls are metered, so an answer that could not be stored is kept and its write retried, and no new call is made until a write has succeeded
 * again. Until the first write of a worker succeeded, one poll at a time goes ahead.
 */
export interface WriteBreaker {
  /**
   * Runs a write, and again until it succeeds, with growing pauses.
   * @throws the signal's reason when aborted; the write's own error where it is the row's fault, which repeating does not mend
   */
  write<T>(write: () => Promise<T>, signal: AbortSignal): Promise<T>
  /** May a call be made now? Where the answer is true, {@link done} or a write must follow. */
  mayCall(): boolean
  /** No call was made after all. */
  done(): void
  /** Since when writes fail, and with what; null: the last one succeeded. */
  failing(): { readonly since: Date; readonly error: unknown } | null
}

export interface WriteBreakerOptions {
  readonly now: Clock
  /** First pause before a write is retried, in milliseconds; doubles up to `maxPauseMs`. */
  readonly pauseMs?: number
  readonly maxPauseMs?: number
  readonly onFailed: (error: unknown) => void
}

export function createWriteBreaker({ now, pauseMs = 250, maxPauseMs = 15_000, onFailed }: WriteBreakerOptions): WriteBreaker {
  let failing: { since: Date; error: unknown } | null = null
  let isProved = false
  let isProving = false

  return {
    failing: () => failing,
    mayCall() {
      if (failing !== null) return false
      if (isProved) return true
      if (isProving) return false
      isProving = true
      return true
    },
    done() {
      isProving = false
    },
    async write(write, signal) {
      for (let waitMs = pauseMs; ; waitMs = Math.min(waitMs * 2, maxPauseMs)) {
        try {
          const result = await write()
          failing = null
          isProved = true
          return result
        } catch (error) {
          // Any other error is the row's own: the database works.
          if (!(error instanceof TrackerError)) throw error
          failing = { since: failing?.since ?? now(), error }
          onFailed(error)
        }
        await pause(waitMs, signal)
      }
    },
  }
}

/** @throws the signal's reason when aborted */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  await new Promise<void>((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop)
      resolve()
    }, ms)
    signal.addEventListener('abort', stop)
  })
}
