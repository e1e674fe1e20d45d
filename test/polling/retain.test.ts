import { expect, test } from 'vitest'
import { reconcile } from '../../src/polling/reconcile.ts'
import { createRestingRetain, type Retention, retain } from '../../src/polling/retain.ts'
import { exclusively, NOTHING_RESTORED, notes, SENT, someOldDetails, someRows, someTimers, TIMING } from './support.ts'

const DAY_MS = 86_400_000
const daysBefore = (days: number): Date => new Date(SENT.getTime() - days * DAY_MS)

async function retained(old: ReturnType<typeof someOldDetails>, retention: Partial<Retention>, now = () => SENT) {
  const events = notes()
  await retain({ store: old.store, retention: { ...old.retention, ...retention }, now, events })
  return events.lines
}

test('user ids go by the age of the task, names by when they were last given, totals later, digests after a day', async () => {
  const old = someOldDetails({ names: 3, people: 4, periods: 1, tasks: 2 })
  expect(await retained(old, { totalsMs: 400 * DAY_MS })).toEqual(['retained 3 4 1 2'])
  expect(old.asked.map(({ what, before }) => [what, before])).toEqual([
    ['erasures', new Date(SENT.getTime() - 25 * 3_600_000)],
    ['names', daysBefore(90)],
    ['people', daysBefore(90)],
    // Until there is none left; before the tasks, which would take their polls along one by one.
    ['periods', daysBefore(400)],
    ['periods', daysBefore(400)],
    ['tasks', daysBefore(400)],
  ])
})

test('where nothing is old there is nothing to tell', async () => {
  expect(await retained(someOldDetails(), { totalsMs: 400 * DAY_MS })).toEqual([])
})

test('what is kept for ever is not asked for', async () => {
  const old = someOldDetails({ names: 3, people: 3, tasks: 3 })
  await retained(old, { detailsMs: null, totalsMs: null })
  expect(old.asked.map(({ what }) => what)).toEqual(['erasures'])
})

test('a backlog is worked off over many passes: each has so many batches, and none is large', async () => {
  const old = someOldDetails({ names: 100_000 })
  let passes = 0
  while (old.left.names > 0) {
    await retained(old, {})
    passes++
  }
  expect(passes).toBe(50)
  expect(Math.max(...old.asked.filter(({ what }) => what === 'names').map(({ limit }) => limit))).toBe(50)
})

test('so is a backlog of people', async () => {
  const old = someOldDetails({ people: 100_000 })
  expect(await retained(old, {})).toEqual(['retained 0 40000 0 0'])
  await retained(old, {})
  expect(await retained(old, {})).toEqual(['retained 0 20000 0 0'])
})

test('so is a backlog of periods, and one whose lock is not free is tried in the next pass', async () => {
  const old = someOldDetails({ periods: 12 })
  const deps = { store: old.store, retention: { ...old.retention, totalsMs: 400 * DAY_MS }, now: () => SENT, events: notes() }
  expect([await retain(deps), await retain(deps), await retain(deps)]).toEqual([false, false, true])
  expect(deps.events.lines).toEqual(['retained 0 0 5 0', 'retained 0 0 5 0', 'retained 0 0 2 0'])
  expect(await retain({ ...deps, store: someOldDetails({ periods: 1, isBusy: true }).store })).toBe(false)
})

test('a pass ends after a few seconds, however slow the database is', async () => {
  const old = someOldDetails({ names: 100_000 })
  let now = SENT.getTime()
  await retained(old, {}, () => new Date((now += 500)))
  expect(old.asked.length).toBeLessThan(15)
})

test('the reconciler does it, after what is due, and only the worker that reconciles', async () => {
  const old = someOldDetails({ names: 3 })
  const events = notes()
  const store = { ...someRows(), overdue: async () => [], exclusively }
  const deps = { store, old, timers: someTimers(), timing: TIMING, graceMs: 60_000, now: () => SENT, events }
  await reconcile({ ...deps, store: { ...store, exclusively: async () => null } })
  expect([old.left.names, old.rooms()]).toEqual([3, 0])
  expect(await reconcile(deps)).toEqual({ ...NOTHING_RESTORED, ended: 0 })
  expect([old.left.names, old.rooms(), events.lines]).toEqual([0, 1, ['retained 3 0 0 0']])
})

test('after a pass that left nothing it rests; while a backlog is left it does not', async () => {
  const old = someOldDetails({ names: 2_050 })
  let atMs = SENT.getTime()
  const deps = { store: old.store, retention: old.retention, now: () => new Date(atMs), events: notes() }
  const rested = createRestingRetain(600_000)
  const passes: number[] = []
  for (let minute = 0; minute <= 12; minute++) {
    const before = old.asked.length
    await rested(deps)
    if (old.asked.length > before) passes.push(minute)
    atMs += 60_000
  }
  expect(old.left.names).toBe(0)
  expect(passes).toEqual([0, 1, 11])
})
