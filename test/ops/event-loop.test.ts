import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { type EventLoopWatch, watchEventLoop } from '../../src/ops/event-loop.ts'
import { until } from '../support/wait.ts'

const BLOCKED_MS = 300

function block(): void {
  const end = performance.now() + BLOCKED_MS
  while (performance.now() < end);
}

async function blocked(rememberedMs: number): Promise<EventLoopWatch> {
  const watch = watchEventLoop(rememberedMs)
  onTestFinished(() => watch.stop())
  // Not from the first moment on: a part begins before it.
  await sleep(BLOCKED_MS / 10)
  block()
  await sleep(1)
  return watch
}

test.each([
  ['within a part of the time that is remembered', 60_000],
  ['over the ends of three parts', 600],
])('a block %s is known when it is over', async (_, rememberedMs) => {
  expect((await blocked(rememberedMs)).longestMs()).toBeGreaterThanOrEqual(BLOCKED_MS - 25)
})

test('a block is forgotten in time', async () => {
  const watch = await blocked(600)
  await until(() => watch.longestMs() < BLOCKED_MS / 2, { what: 'it is forgotten' })
})
