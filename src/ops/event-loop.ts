import { MINUTE_MS } from '../domain/delivery.ts'

export interface EventLoopWatch {
  /** The longest time for which JavaScript was blocked in the last minute, in milliseconds. */
  longestMs(): number
  stop(): void
}

/** The minute has this many parts; the oldest one is dropped as a whole. */
const PARTS = 6
const BEAT_MS = 20

/**
 * Measures how late a timer of 20 ms fires. Node's `monitorEventLoopDelay` was considered: its `reset` also discards the time of its last
 * measurement, so a block that is under way is lost.
 */
export function watchEventLoop(rememberedMs: number = MINUTE_MS): EventLoopWatch {
  let lastAt = performance.now()
  let turnAt = lastAt + rememberedMs / PARTS
  let longest = 0
  let earlier: readonly number[] = []
  const beat = setInterval(() => {
    const at = performance.now()
    longest = Math.max(longest, at - lastAt - BEAT_MS)
    lastAt = at
    if (at < turnAt) return
    turnAt = at + rememberedMs / PARTS
    earlier = [longest, ...earlier].slice(0, PARTS)
    longest = 0
  }, BEAT_MS)
  beat.unref()
  return { longestMs: () => Math.max(longest, ...earlier), stop: () => clearInterval(beat) }
}
