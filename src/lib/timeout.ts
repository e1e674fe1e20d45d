/**
 * Rejects when `work` takes longer than `ms` milliseconds. The work itself goes on.
 * @param late makes the error
 */
export async function within<T>(
  ms: number,
  work: PromiseLike<T>,
  late = (): Error => new Error(`timeout, no answer within ${ms} ms`),
): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(late()), ms)
  })
  try {
    return await Promise.race([work, timeout])
  } finally {
    clearTimeout(timer)
  }
}
