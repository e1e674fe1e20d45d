/** Runs `work` when fewer than the maximum run, and not at all where `isOver` returns true by then. */
export type Semaphore = <T>(isOver: () => boolean, work: () => Promise<T>) => Promise<T>

/** At most `max` run at once; the others wait in a queue. Considered: p-limit, which cannot skip work whose caller has given up. */
export function createSemaphore(max: number): Semaphore {
  const queue: Array<() => void> = []
  let free = max
  return async (isOver, work) => {
    if (free > 0) free -= 1
    else await new Promise<void>((resolve) => queue.push(resolve))
    try {
      if (isOver()) throw new Error('there was no connection free in time')
      return await work()
    } finally {
      const next = queue.shift()
      if (next === undefined) free += 1
      else next()
    }
  }
}
