import { afterEach, beforeEach, expect, test } from 'vitest'
import { HOUR_MS } from '../../src/domain/delivery.ts'
import { bracketWidthMs } from '../../src/domain/schedule/calls.ts'
import { curveOf } from '../../src/domain/schedule/curve.ts'
import { PRIOR_LAW } from '../../src/domain/schedule/prior.ts'
import type { Law, ObservedTask } from '../../src/domain/schedule/types.ts'
import { learnLaws } from '../../src/polling/learn-laws.ts'
import type { LearnerStore } from '../../src/polling/ports.ts'
import { createLaws } from '../../src/store/laws.ts'
import {
  createRandom,
  drawReads,
  even,
  NIGHT,
  OFFICE,
  observe,
  planOf,
  SEND_TIMES,
  someSendTimes,
  UTC,
} from '../domain/schedule/population.ts'
import { deferred } from '../support/deferred.ts'
import { openTestStore, type TestStore } from './support/database.ts'
import { storeEndedTasks, toLatestWeeks } from './support/ended-tasks.ts'

let db: TestStore
let store: LearnerStore
beforeEach(async () => {
  db = await openTestStore({ role: 'worker' })
  store = createLaws(db)
})
afterEach(() => db.close())

const learned: string[] = []
beforeEach(() => learned.splice(0))
const learn = (apps: readonly string[] = [], from: LearnerStore = store) =>
  learnLaws({ store: from, calendar: UTC, apps, events: { learned: ({ app, tasks }) => void learned.push(`${app} ${tasks}`) } })

function observed(law: Law, count: number, seed: number, people = 50): ObservedTask[] {
  const random = createRandom(seed)
  return toLatestWeeks(someSendTimes(count, random).map((sentAt) => observe(sentAt, drawReads(law, sentAt, people, random), even(24))))
}

/** The mean over send times of what a plan from a law has on the true one, by what the best plan has. */
function costOf(law: Law, truth: Law): number {
  const ratios = SEND_TIMES.map((sentAt) => {
    const curve = curveOf(truth, sentAt, UTC)
    return bracketWidthMs(curve, planOf(curveOf(law, sentAt, UTC), 12)) / bracketWidthMs(curve, planOf(curve, 12))
  })
  return ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length
}

const lawOf = async (app: string): Promise<Law> => (await store.latest(app))?.law ?? PRIOR_LAW

test('what is stored of polls tells when people read: plans get nearly as good as if one knew', async () => {
  const tasks = observed(NIGHT, 60, 1)
  await storeEndedTasks(db, tasks, { app: 'night' })
  expect(await learn()).toEqual(['night'])
  const law = await store.latest('night')
  expect(law).toMatchObject({ tasks: 60, people: 3_000, lastSentAt: tasks.at(-1)?.sentAt })
  expect(costOf(PRIOR_LAW, NIGHT)).toBeGreaterThan(1.4)
  expect(costOf(await lawOf('night'), NIGHT)).toBeLessThan(1.15)
})

test('an app is learned again once a task of it has ended', async () => {
  await storeEndedTasks(db, observed(OFFICE, 3, 2), { app: 'office', endedAt: new Date(Date.now() - HOUR_MS) })
  expect(await learn()).toEqual(['office'])
  expect(await learn()).toEqual([])
  await storeEndedTasks(db, observed(OFFICE, 1, 3), { app: 'office', endedAt: new Date(Date.now() + HOUR_MS) })
  expect(await learn()).toEqual(['office'])
  expect(learned).toEqual(['office 3', 'office 4'])
})

test('an app with few tasks starts from how the recipients of the others read, one without any has their law', async () => {
  await storeEndedTasks(db, observed(NIGHT, 60, 4), { app: 'night' })
  await storeEndedTasks(db, observed(NIGHT, 2, 5, 3), { app: 'small' })
  await learn(['idle'])
  expect([...learned].sort()).toEqual(['idle 0', 'night 60', 'small 2'])
  expect(await store.latest('idle')).toMatchObject({ tasks: 0, people: 0, lastSentAt: null })
  for (const app of ['idle', 'small']) expect([app, costOf(await lawOf(app), NIGHT) < 1.2]).toEqual([app, true])
  // Its own tasks replace it.
  await storeEndedTasks(db, observed(OFFICE, 60, 6), { app: 'idle', endedAt: new Date(Date.now() + HOUR_MS) })
  await learn(['idle'])
  expect(costOf(await lawOf('idle'), OFFICE)).toBeLessThan(1.15)
})

test('without any ended task nothing is learned', async () => {
  expect(await learn(['default'])).toEqual([])
  expect(await store.latest('default')).toBeNull()
})

test('of two workers one learns, and the other one next time', async () => {
  await storeEndedTasks(db, observed(OFFICE, 5, 7), { app: 'office' })
  const [begun, goOn] = [deferred(), deferred()]
  const slow: LearnerStore = {
    ...store,
    observedTasks: async (...args) => {
      begun.resolve()
      await goOn.promise
      return store.observedTasks(...args)
    },
  }
  const first = learn([], slow)
  await begun.promise
  expect(await learn()).toBeNull()
  goOn.resolve()
  expect(await first).toEqual(['office'])
  expect(await learn()).toEqual([])
  expect((await db.pool.query('SELECT FROM delivery_law')).rowCount).toBe(1)
})

test('other work runs while a law is learned', async () => {
  await storeEndedTasks(db, observed(OFFICE, 900, 8, 1), { app: 'office' })
  let others = 0
  let isOver = false
  const count = (): void => {
    others++
    if (!isOver) setImmediate(count)
  }
  const tasks = await store.observedTasks({ app: 'office' }, 1_000)
  // Without the database, whose answers let others run anyway.
  const ready: LearnerStore = { ...store, observedTasks: async () => tasks, exclusively: (work) => work({ isHeld: () => true }) }
  const running = learn([], { ...ready, add: async () => ((isOver = true), 1), latest: async () => null })
  count()
  await running
  expect(others).toBeGreaterThan(5)
})
