import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { watchEventLoop } from '../../src/wiring/event-loop.ts'
import { until } from '../support/wait.ts'

const BLOCKED_MS = 300

function block(): void {
  const end = performance.now() + BLOCKED_MS
  while (performance.now() < end);
}

test.each([60_000, 600])('a block is known after it, and forgotten in time, where %i ms are remembered', async (rememberedMs) => {
  const watch = watchEventLoop(rememberedMs)
  onTestFinished(() => watch.stop())
  // It lasts over the end of a part, or of three.
  await sleep(BLOCKED_MS / 10)
  block()
  await sleep(1)
  expect(watch.longestMs()).toBeGreaterThanOrEqual(BLOCKED_MS - 25)
  if (rememberedMs === 600) await until(() => watch.longestMs() < BLOCKED_MS / 2, { what: 'it is forgotten' })
})
