import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { waitInBlocks } from '../../src/queue/workarounds.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

type Found = { member: string; score: number } | null

/** A backend whose blocks end as they are told: after so many milliseconds more or less than they were asked for, and with what was found. */
function aBackend(...blocks: Array<{ readonly offMs: number; readonly found?: Found }>) {
  const asked: number[] = []
  const backend = {
    async waitForJob(seconds: number): Promise<Found> {
      asked.push(seconds)
      const { offMs, found = null } = blocks.shift() ?? { offMs: 0 }
      await new Promise((resolve) => setTimeout(resolve, seconds * 1_000 + offMs))
      return found
    },
  }
  const create: unknown = Reflect.apply(waitInBlocks, null, [() => backend])
  if (typeof create !== 'function') throw new TypeError('it makes a backend')
  Reflect.apply(create, null, [])
  return { asked, wait: (seconds: number) => backend.waitForJob(seconds) }
}

async function outcome(waiting: Promise<Found>): Promise<Found> {
  await vi.advanceTimersByTimeAsync(60_000)
  return await waiting
}

const JOB = { member: '0', score: 0 }

test('a long wait is made of blocks of five seconds', async () => {
  const { asked, wait } = aBackend()
  expect(await outcome(wait(12))).toBeNull()
  expect(asked).toEqual([5, 5, 2])
})

test('a job ends it', async () => {
  const { asked, wait } = aBackend({ offMs: 0 }, { offMs: -3_000, found: JOB })
  expect(await outcome(wait(30))).toBe(JOB)
  expect(asked).toEqual([5, 5])
})

test.each([
  ['sooner: the worker is closed', -2_000],
  ['later: the connection was made anew, and a job that came meanwhile may be lost', 400],
])('a block that ends without a job %s', async (_, offMs) => {
  const { asked, wait } = aBackend({ offMs })
  expect(await outcome(wait(30))).toBeNull()
  expect(asked).toEqual([5])
})
