import { monitorEventLoopDelay } from 'node:perf_hooks'

export interface EventLoopWatch {
  /** The longest time for which JavaScript was blocked in the last minute, in milliseconds. */
  longestMs(): number
  stop(): void
}

/** A minute in parts: each is forgotten as a whole. */
const PART_MS = 10_000
const PARTS = 6
const RESOLUTION_MS = 20

export function watchEventLoop(): EventLoopWatch {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delays.enable()
  let parts: number[] = []
  const turn = setInterval(() => {
    parts = [...parts, delays.max].slice(-PARTS)
    delays.reset()
  }, PART_MS)
  turn.unref()
  return {
    longestMs: () => Math.max(...parts, delays.max) / 1e6,
    stop() {
      clearInterval(turn)
      delays.disable()
    },
  }
}
