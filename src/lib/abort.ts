import { setMaxListeners } from 'node:events'

/** Why a signal was aborted: not by the caller, but because the time was over. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError'
}

/**
 * Runs `work` with a signal that is aborted with the parent, or with a {@link DeadlineError} after `ms`.
 * Not `AbortSignal.any`: on Node 20 each signal made from a long-lived one leaves some memory behind for good.
 */
export async function withDeadline<T>(ms: number, parent: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(new DeadlineError()), ms)
  const stopListening = onAbort(parent, () => controller.abort(parent.reason))
  try {
    return await work(controller.signal)
  } finally {
    clearTimeout(timer)
    stopListening()
  }
}

/** The result of `work`, or the signal's reason if that comes first. `work` itself goes on: others may wait for it too. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let stopListening = (): void => {}
  const aborted = new Promise<null>((resolve) => {
    stopListening = onAbort(signal, () => resolve(null))
  })
  try {
    const first = await Promise.race([work.then((value) => ({ value })), aborted])
    if (first === null) throw signal.reason
    return first.value
  } finally {
    stopListening()
  }
}

function onAbort(signal: AbortSignal, listener: () => void): () => void {
  if (signal.aborted) {
    listener()
    return () => {}
  }
  // All polls of a worker share one signal: many listeners are right here, not the leak that Node would warn of.
  setMaxListeners(0, signal)
  signal.addEventListener('abort', listener, { once: true })
  return () => signal.removeEventListener('abort', listener)
}
