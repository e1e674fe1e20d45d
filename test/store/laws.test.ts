import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { HOUR_MS, MINUTE_MS } from '../../src/domain/delivery.ts'
import { PRIOR_LAW } from '../../src/domain/schedule/prior.ts'
import type { ObservedTask } from '../../src/domain/schedule/types.ts'
import type { LearnedLaw } from '../../src/polling/ports.ts'
import { createLaws } from '../../src/store/laws.ts'
import { openDatabase } from '../../src/store/prisma.ts'
import { urlAs } from '../support/roles.ts'
import { openTestStore, type TestStore } from './support/database.ts'
import { storeEndedTasks } from './support/ended-tasks.ts'
import { adoptAll, aTask } from './support/polls.ts'

let db: TestStore
let asWorker: ReturnType<typeof openDatabase>
beforeAll(async () => {
  db = await openTestStore()
  // As the worker has them: with its rights and no more.
  asWorker = openDatabase(urlAs('worker', db.url))
})
afterAll(async () => {
  await asWorker.close()
  await db.close()
})

let apps = 0
const anApp = (): string => `laws${++apps}`
const laws = () => createLaws(asWorker)
const hoursAgo = (hours: number): Date => new Date(Date.now() - hours * HOUR_MS)
const LEARNED: Omit<LearnedLaw, 'version'> = {
  ...{ law: PRIOR_LAW, tasks: 3, people: 120, lastSentAt: hoursAgo(30), learnedAt: hoursAgo(1) },
}
/** Two read by the first poll, one more by the second. */
const aTaskOf = (hours: number, people = 5): ObservedTask => ({
  ...{ sentAt: hoursAgo(hours), people },
  polls: [
    { offsetMs: 60 * MINUTE_MS, newReads: 2 },
    { offsetMs: 300 * MINUTE_MS, newReads: 1 },
  ],
})

test('the newest law of an app is read as it was stored; an app without one has none', async () => {
  const app = anApp()
  expect(await laws().latest(app)).toBeNull()
  await laws().add(app, { ...LEARNED, tasks: 2 })
  const version = await laws().add(app, LEARNED)
  expect(await laws().latest(app)).toEqual({ ...LEARNED, version })
  expect(await laws().latest(anApp())).toBeNull()
})

test('the role that reads reports may read the laws, and not write them', async () => {
  const app = anApp()
  await laws().add(app, LEARNED)
  const asReader = openDatabase(urlAs('read', db.url))
  onTestFinished(() => asReader.close())
  expect(await createLaws(asReader).latest(app)).toMatchObject({ tasks: 3 })
  await expect(createLaws(asReader).add(app, LEARNED)).rejects.toMatchObject({ code: 'NOT_PERMITTED' })
})

test.each([
  ['of another form', { curve: [1, 2, 3] }],
  ['with a missing hour', { ...PRIOR_LAW, attention: { ...PRIOR_LAW.attention, work: [1] } }],
  ['whose hazard falls', { ...PRIOR_LAW, hazard: { edges: [0, 1, 2], values: [0, 2, 1] } }],
  ['whose hazard begins later', { ...PRIOR_LAW, hazard: { edges: [1, 2], values: [0, 1] } }],
])('a law %s counts as none, and is reported', async (_, law) => {
  const app = anApp()
  await db.pool.query('INSERT INTO delivery_law (app, law, tasks, people) VALUES ($1, $2, 1, 1)', [app, JSON.stringify(law)])
  const unreadable: string[] = []
  expect(await createLaws(asWorker, { onUnreadable: (of) => void unreadable.push(of) }).latest(app)).toBeNull()
  expect(unreadable).toEqual([app])
})

test('older laws go, but for those that plans of open tasks name', async () => {
  const app = anApp()
  const named = await laws().add(app, LEARNED)
  const { key } = await aTask(db.store, { app })
  await adoptAll(db.store)
  const setPlan = `UPDATE delivery_task SET plan = jsonb_build_object('law', $3::bigint) WHERE app = $1 AND task_id = $2`
  await db.pool.query(setPlan, [app, key.taskId, named])
  await laws().add(app, LEARNED)
  const newest = await laws().add(app, LEARNED)
  const versions = async (): Promise<number[]> =>
    (await db.pool.query<{ id: string }>('SELECT id FROM delivery_law WHERE app = $1 ORDER BY id', [app])).rows.map(({ id }) => Number(id))
  expect(await versions()).toEqual([named, newest])
  await db.store.cancel(key)
  const last = await laws().add(app, LEARNED)
  expect(await versions()).toEqual([last])
})

test('ended tasks are read oldest first, with the growth of their reads, at most as many as are wanted', async () => {
  const app = anApp()
  const tasks = [aTaskOf(90), aTaskOf(60, 7), aTaskOf(30)]
  await storeEndedTasks(db, tasks.toReversed(), { app })
  expect(await laws().observedTasks({ app }, 10)).toEqual(tasks.map((task) => ({ ...task, plannedPolls: 2 })))
  expect(await laws().observedTasks({ app }, 2)).toMatchObject([{ people: 7 }, { people: 5 }])
})

test('offsets are those of the 24-hour window, whatever time scale the task had', async () => {
  const app = anApp()
  const task = aTaskOf(2)
  await storeEndedTasks(db, [task], { app, timeScale: 1_440 })
  const [{ polls } = { polls: [] }] = await laws().observedTasks({ app }, 10)
  for (const [i, { offsetMs }] of polls.entries()) expect(offsetMs / (task.polls[i]?.offsetMs ?? 0)).toBeCloseTo(1, 2)
})

test('what says nothing of when people read is left out: open tasks, assumed send times, no delivery, no successful poll', async () => {
  const app = anApp()
  await storeEndedTasks(db, [aTaskOf(40)], { app, request: { sentAt: null } })
  await storeEndedTasks(db, [{ ...aTaskOf(40), people: 0, polls: [{ offsetMs: MINUTE_MS, newReads: 0 }] }], { app })
  await storeEndedTasks(db, [{ ...aTaskOf(40), polls: [] }], { app })
  await storeEndedTasks(db, [aTaskOf(24 * 400)], { app })
  await aTask(db.store, { app })
  expect(await laws().observedTasks({ app }, 10)).toEqual([])
})

test('a count of reads that fell, since a recipient was erased, gives no negative reads', async () => {
  const app = anApp()
  const [taskId] = await storeEndedTasks(db, [aTaskOf(40)], { app })
  await db.pool.query(
    'UPDATE delivery_poll SET read = 1 WHERE poll_no = 2 AND task_pk = (SELECT id FROM delivery_task WHERE app = $1 AND task_id = $2)',
    [app, taskId],
  )
  expect(await laws().observedTasks({ app }, 10)).toMatchObject([{ polls: [{ newReads: 2 }, { newReads: 0 }] }])
})

test('the tasks of one app, and of all', async () => {
  const [app, other] = [anApp(), anApp()]
  await storeEndedTasks(db, [aTaskOf(31, 11)], { app })
  await storeEndedTasks(db, [aTaskOf(31, 13)], { app: other })
  const people = new Set((await laws().observedTasks({}, 1_000)).map((task) => task.people))
  expect([people.has(11), people.has(13)]).toEqual([true, true])
  expect((await laws().observedTasks({ app }, 1_000)).map((task) => task.people)).toEqual([11])
})

test('when tasks of each app last ended, names removed or not', async () => {
  const [app, nameless, open] = [anApp(), anApp(), anApp()]
  const endedAt = hoursAgo(3)
  await storeEndedTasks(db, [aTaskOf(40), aTaskOf(50)], { app, endedAt })
  await storeEndedTasks(db, [aTaskOf(40)], { app: nameless, endedAt })
  await db.pool.query('UPDATE delivery_task SET names_removed_at = now() WHERE app = $1', [nameless])
  await aTask(db.store, { app: open })
  const endings = await laws().apps()
  expect(endings.filter((each) => [app, nameless, open].includes(each.app))).toEqual([
    { app, lastEndedAt: endedAt },
    { app: nameless, lastEndedAt: endedAt },
    { app: open, lastEndedAt: null },
  ])
})
