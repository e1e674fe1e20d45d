import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { startInterval } from '../../src/lib/interval.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** Work that takes as long as the test says. */
function someWork(takesMs = 0) {
  const from = Date.now()
  const starts: number[] = []
  const errors: unknown[] = []
  const state = { running: 0, most: 0, fails: false }
  return {
    starts,
    errors,
    state,
    onError: (error: unknown) => void errors.push(error),
    async work() {
      starts.push(Date.now() - from)
      state.most = Math.max(state.most, ++state.running)
      if (takesMs > 0) await new Promise((resolve) => setTimeout(resolve, takesMs))
      state.running--
      if (state.fails) throw new Error('no database')
    },
  }
}

test('the work is done at once and then after each pause', async () => {
  const { starts, work, onError } = someWork()
  const interval = startInterval(1_000, work, onError)
  await vi.advanceTimersByTimeAsync(2_500)
  expect(starts).toEqual([0, 1_000, 2_000])
  await interval.stop()
})

test('work that takes longer than the pause never runs twice at once', async () => {
  const { starts, state, work, onError } = someWork(3_000)
  const interval = startInterval(1_000, work, onError)
  for (let i = 0; i < 50; i++) {
    interval.runNow()
    await vi.advanceTimersByTimeAsync(100)
  }
  expect(state.most).toBe(1)
  expect(starts).toEqual([0, 3_000])
  const stopped = interval.stop()
  await vi.advanceTimersByTimeAsync(3_000)
  await stopped
})

test('a failure is reported and does not end it', async () => {
  const { starts, errors, state, work, onError } = someWork()
  state.fails = true
  const interval = startInterval(1_000, work, onError)
  await vi.advanceTimersByTimeAsync(1_500)
  expect(starts).toEqual([0, 1_000])
  expect(errors.map(String)).toEqual(['Error: no database', 'Error: no database'])
  await interval.stop()
})

test('a runNow does not wait for the pause to end, and many are one', async () => {
  const { starts, work, onError } = someWork()
  const interval = startInterval(1_000, work, onError)
  await vi.advanceTimersByTimeAsync(200)
  for (let i = 0; i < 10; i++) interval.runNow()
  await vi.advanceTimersByTimeAsync(900)
  expect(starts).toEqual([0, 200])
  await vi.advanceTimersByTimeAsync(200)
  expect(starts).toEqual([0, 200, 1_200])
  await interval.stop()
})

test('stopping waits for the run that is under way, and nothing runs afterwards', async () => {
  const { starts, state, work, onError } = someWork(500)
  const interval = startInterval(100, work, onError)
  await vi.advanceTimersByTimeAsync(100)
  interval.runNow()
  const stopped = interval.stop()
  interval.runNow()
  expect(state.running).toBe(1)
  await vi.advanceTimersByTimeAsync(500)
  await stopped
  expect(state.running).toBe(0)
  await vi.advanceTimersByTimeAsync(5_000)
  expect(starts).toEqual([0])
  expect(vi.getTimerCount()).toBe(0)
})

test('stopping before the first run leaves nothing behind', async () => {
  const { starts, work, onError } = someWork()
  await startInterval(1_000, work, onError).stop()
  await vi.advanceTimersByTimeAsync(5_000)
  expect(starts).toEqual([])
})

test('a function decides how long the pause is, after each run', async () => {
  const { starts, work, onError } = someWork()
  const pauses = [100, 1_000]
  const interval = startInterval(() => pauses.shift() ?? 5_000, work, onError)
  await vi.advanceTimersByTimeAsync(5_000)
  expect(starts).toEqual([0, 100, 1_100])
  await interval.stop()
})

test('without a pause the work is done at once, and then only when it is asked for', async () => {
  const { starts, work, onError } = someWork(100)
  const interval = startInterval(null, work, onError)
  await vi.advanceTimersByTimeAsync(10_000)
  interval.runNow()
  await vi.advanceTimersByTimeAsync(50)
  interval.runNow()
  await vi.advanceTimersByTimeAsync(10_000)
  expect(starts.map((ms) => Math.round(ms / 100))).toEqual([0, 100, 101])
  await interval.stop()
})
