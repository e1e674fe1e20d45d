/** What `withTimeout` rejects with by default. */
export class TimeoutError extends Error {
  override readonly name = 'TimeoutError'
}

/**
 * Rejects when `work` takes longer than `timeoutMs` milliseconds. The work itself goes on, and a later rejection of it is ignored.
 * @param onTimeout makes the error; default: a {@link TimeoutError}
 */
export async function withTimeout<T>(
  timeoutMs: number,
  work: PromiseLike<T>,
  onTimeout = (): Error => new TimeoutError(`no answer within ${Math.max(0, Math.round(timeoutMs))} ms`),
): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(onTimeout()), Math.max(0, timeoutMs))
  })
  try {
    return await Promise.race([work, timeout])
  } finally {
    clearTimeout(timer)
  }
}
