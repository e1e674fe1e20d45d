import { expect } from 'vitest'

const TICK_MS = 20

/** How long this process could not attend to its timers, altogether, in milliseconds: many tests share it, and the machine. */
function lateness(): () => number {
  let lateMs = 0
  let due = performance.now() + TICK_MS
  const tick = (): void => {
    lateMs += Math.max(0, performance.now() - due)
    due = performance.now() + TICK_MS
  }
  const timer = setInterval(tick, TICK_MS)
  return () => {
    clearInterval(timer)
    tick()
    return lateMs
  }
}

/** What a busy machine costs beyond that: the other side has its share of it too. */
const MACHINE_MS = 500

/** Work that must be done in a time, whatever comes of it. A machine that is busy with something else may take longer by as much. */
export async function inTime<T>(limitMs: number, work: () => Promise<T>): Promise<T> {
  const late = lateness()
  const started = performance.now()
  try {
    return await work()
  } finally {
    expect(performance.now() - started).toBeLessThan(limitMs + 2 * late() + MACHINE_MS)
  }
}
