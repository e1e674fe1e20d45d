import { expect, test } from 'vitest'
import type { Timer } from '../../src/core/ports.ts'
import type { TrackRequest } from '../../src/core/track-request.ts'
import { adopt } from '../../src/service/adopt.ts'
import { type LookDeps, look } from '../../src/service/look.ts'
import { createPermits } from '../../src/service/permits.ts'
import { reconcile } from '../../src/service/reconcile.ts'
import { createMemoryGate, createMemoryStore } from '../support/memory-store.ts'
import { keyOf, minutesLater, notes, SENT, said, someOldDetails, someTimers, TIMING } from './support.ts'

const SIGNAL = new AbortController().signal
/** A minute long after the day. */
const NEVER = 1_000_000

const request = (taskId: number): TrackRequest => ({ ...keyOf(taskId), agentId: null, userIds: ['ann'], campaign: null, sentAt: SENT })

/** A worker in memory: the use cases, a store, a gate and a clock that the test moves. */
function aWorld(readAtMinute: number) {
  const clock = { now: SENT }
  const now = (): Date => clock.now
  const store = createMemoryStore(now)
  const gate = createMemoryGate(now)
  const journal = notes()
  const timers = someTimers()
  const calls: Date[] = []
  const deps: LookDeps = {
    store,
    gate,
    journal,
    now,
    timing: TIMING,
    digest: (salt, name) => `${salt}/${name}`,
    permits: createPermits({ gate, limitsOf: () => ({ callsPerSecond: 1_000, monthlyBudget: null }), now, maxWaiting: 25 }),
    api: {
      async sendResult() {
        calls.push(now())
        return said(now() < minutesLater(readAtMinute) ? { unread: ['ann'] } : { read: ['ann'] }, now())
      },
    },
  }
  return {
    clock,
    store,
    journal,
    timers,
    calls,
    deps,
    adopt: () => adopt({ ...deps, store, timers }),
    reconcile: () => reconcile({ ...deps, store, old: someOldDetails(), timers, graceMs: 60_000 }),
  }
}

/** Lets the timer ring until the task is over. */
async function ringOn(world: ReturnType<typeof aWorld>, first: Timer): Promise<void> {
  let at: Date | null = first.look.at
  while (at !== null) {
    world.clock.now = at
    const result = await look(world.deps, first.key, SIGNAL)
    at = result.kind === 'again' ? result.look.at : null
  }
}

async function aTrackedTask(readAtMinute: number) {
  const world = aWorld(readAtMinute)
  await world.store.track([request(1)])
  await world.adopt()
  const [first] = world.timers.timers
  if (first === undefined) throw new Error('no timer was set')
  return { world, first }
}

test('a task that nobody reads gets all its looks, the last one in the last percent of the day, and expires', async () => {
  const { world, first } = await aTrackedTask(NEVER)
  await ringOn(world, first)
  expect(await world.store.load(keyOf(1))).toMatchObject({ status: 'expired', reason: expect.stringMatching(/^window_over/) })
  expect(world.calls).toHaveLength(24)
  expect(world.calls.at(-1)?.getTime()).toBeGreaterThan(minutesLater(24 * 60 * 0.99).getTime())
})

test('a task whose only person reads completes with the look that sees it', async () => {
  const { world, first } = await aTrackedTask(300)
  await ringOn(world, first)
  expect(await world.store.load(keyOf(1))).toMatchObject({ status: 'complete' })
  const [before, seen] = world.calls.slice(-2)
  expect(before?.getTime()).toBeLessThan(minutesLater(300).getTime())
  expect(seen?.getTime()).toBeGreaterThanOrEqual(minutesLater(300).getTime())
})

test('one look at a time is recorded, however many ring at once', async () => {
  const { world, first } = await aTrackedTask(NEVER)
  world.clock.now = first.look.at
  const results = await Promise.all(Array.from({ length: 10 }, () => look(world.deps, first.key, SIGNAL)))
  expect(world.store.looksOf(first.key)).toHaveLength(1)
  expect(new Set(results.map((result) => JSON.stringify(result))).size).toBe(1)
  expect(world.journal.lines.filter((line) => line.endsWith('stored'))).toHaveLength(1)
})

test('after an outage of half a day the missed looks are one, and after a longer one the task is ended', async () => {
  const { world } = await aTrackedTask(NEVER)
  world.clock.now = minutesLater(12 * 60)
  expect(await world.reconcile()).toMatchObject({ added: 1, ended: 0 })
  await look(world.deps, keyOf(1), SIGNAL)
  expect(world.store.looksOf(keyOf(1))).toHaveLength(1)
  world.clock.now = minutesLater(25 * 60)
  expect(await world.reconcile()).toMatchObject({ added: 0, ended: 1 })
  expect(await world.store.load(keyOf(1))).toMatchObject({ status: 'expired', reason: expect.stringMatching(/^blind_before_deadline/) })
})
