/** Does `work` when there is a turn for it, and not at all if it is over by then. */
export type Semaphore = <T>(isOver: () => boolean, work: () => Promise<T>) => Promise<T>

/** At most `max` at once, the others in line. Whoever has given up while waiting never begins, so a line of the impatient is gone at once. */
export function createSemaphore(max: number): Semaphore {
  const line: Array<() => void> = []
  let free = max
  return async (isOver, work) => {
    if (free > 0) free -= 1
    else await new Promise<void>((resolve) => line.push(resolve))
    try {
      if (isOver()) throw new Error('there was no connection free in time')
      return await work()
    } finally {
      const next = line.shift()
      if (next === undefined) free += 1
      else next()
    }
  }
}
