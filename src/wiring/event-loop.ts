import { MINUTE_MS } from '../core/delivery.ts'

export interface EventLoopWatch {
  /** The longest time for which JavaScript was blocked in the last minute, in milliseconds. */
  longestMs(): number
  stop(): void
}

/** The minute is in so many parts: each is forgotten as a whole. */
const PARTS = 6
const BEAT_MS = 20

/**
 * Measures how late a beat comes. Not with `monitorEventLoopDelay`: its `reset` also forgets when it last measured, so that a block is lost which
 * lasts until then.
 */
export function watchEventLoop(rememberedMs: number = MINUTE_MS): EventLoopWatch {
  const partMs = rememberedMs / PARTS
  let parts = [0]
  let [lastAt, turnAt] = [performance.now(), performance.now() + partMs]
  const beat = setInterval(() => {
    const at = performance.now()
    const [current = 0, ...earlier] = parts
    parts = [Math.max(current, at - lastAt - BEAT_MS), ...earlier]
    lastAt = at
    if (at < turnAt) return
    turnAt = at + partMs
    parts = [0, ...parts].slice(0, PARTS)
  }, BEAT_MS)
  beat.unref()
  return { longestMs: () => Math.max(...parts), stop: () => clearInterval(beat) }
}
