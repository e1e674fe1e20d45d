import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { MINUTE_MS } from '../../src/domain/delivery.ts'
import { PROBLEM_RULES, toProblem } from '../../src/domain/problems.ts'
import type { RateLimiter, ScopeEvidence } from '../../src/polling/ports.ts'
import { createRateLimiter } from '../../src/store/rate-limiter.ts'
import { aTask, delay, lookAt, planBody } from './support/polls.ts'
import { openTestReader, type TestReader } from './support/reader.ts'

let db: TestReader
let gate: RateLimiter & ScopeEvidence
beforeAll(async () => {
  db = await openTestReader()
  gate = createRateLimiter(db)
})
afterAll(() => db.close())
afterEach(() => db.pool.query('TRUNCATE delivery_task, delivery_app, delivery_pair CASCADE'))

const LIMITS = { callsPerSecond: 1_000, monthlyBudget: null }
const call = (app: string, calls: number) => gate.reserve(app, { ordinary: calls, reserved: 0, forced: 0 }, LIMITS)
const later = (ms: number): Date => new Date(Date.now() + ms)
const one = async (app: string) => (await db.rates.apps()).find((each) => each.app === app)

/** In China a month begins eight hours earlier than in UTC. */
const chinaMonth = (at: Date): string => new Date(at.getTime() + 8 * 60 * MINUTE_MS).toISOString().slice(0, 7)

test('apps that have a task or ever called come by name, each once', async () => {
  await aTask(db.store, { app: 'b-has-both' })
  await aTask(db.store, { app: 'Only_tasks' })
  await call('b-has-both', 2)
  await call('a-only-called', 3)
  const free = {
    ...{ pauseKind: null, pauseReason: null, pauseCode: null, pauseDetail: null, pauseSince: null, pausedUntil: null, lastGoodAt: null },
    ...{ tasksWithProblem: 0, tasksDelayed: 0, pairs: [], workerProblems: [], month: chinaMonth(new Date()) },
  }
  expect(await db.rates.apps()).toEqual([
    { app: 'Only_tasks', openTasks: 1, callsUsed: 0, ...free },
    { app: 'a-only-called', openTasks: 0, callsUsed: 3, ...free },
    { app: 'b-has-both', openTasks: 1, callsUsed: 2, ...free },
  ])
})

test('there are none in an empty database', async () => {
  expect(await db.rates.apps()).toEqual([])
})

test('tasks that ended are not open, and an app all of whose tasks ended is still there', async () => {
  const [first, second] = [await aTask(db.store, { userIds: ['ann'] }), await aTask(db.store)]
  expect(await one('default')).toMatchObject({ openTasks: 2 })
  await lookAt(db.store, first.key, { read: ['ann'] }, 5)
  expect(await one('default')).toMatchObject({ openTasks: 1 })
  await db.store.cancel(second.key)
  expect(await one('default')).toMatchObject({ openTasks: 0, callsUsed: 0 })
})

test('calls of an earlier month are not those of this one', async () => {
  await call('default', 5)
  await db.pool.query("UPDATE delivery_app SET calls_month = '2020-01'")
  expect(await one('default')).toMatchObject({ callsUsed: 0, month: chinaMonth(new Date()) })
  await call('default', 2)
  expect(await one('default')).toMatchObject({ callsUsed: 2 })
})

test('a call that is given back is not used', async () => {
  await call('default', 5)
  await gate.refund('default', chinaMonth(new Date()), 1)
  expect(await one('default')).toMatchObject({ callsUsed: 4 })
})

/** A poll of a task that DingTalk refused, as evidence against its app or pair. */
async function report(kind: 'app' | 'pair', app: string, taskId: string, code: string, message = 'words'): Promise<boolean> {
  const problem = toProblem({ code, message, requestId: 'r1' }, '836390886')
  const { agreement } = PROBLEM_RULES[problem.code]
  if (agreement === null) throw new Error(`${problem.code} pauses nothing`)
  const told = { kind, problem, requestedAt: new Date(), agreement, probeDelaysMs: [10 * MINUTE_MS], until: null }
  return await gate.recordFailure({ app, taskId }, '836390886', told)
}

test.each([
  ['90018', 'rate_limit', 'throttled'],
  ['90020', 'quota', 'quota'],
  ['60011', 'permission', 'configuration'],
  ['404', 'wrong_path', 'configuration'],
  ['500', 'outage', 'outage'],
])('a pause because of %s says %s, of the kind %s, since when, until when, and what was answered', async (code, pauseCode, pauseKind) => {
  const before = new Date()
  for (let i = 0; i < 5; i++) await report('app', 'default', String(i), code)
  const app = await one('default')
  expect(app).toMatchObject({
    pauseKind,
    pauseCode,
    pauseReason: pauseCode,
    pauseDetail: { said: code, message: 'words', requestId: 'r1' },
  })
  expect(app?.pauseSince?.getTime()).toBeGreaterThanOrEqual(before.getTime())
  expect(app?.pausedUntil?.getTime()).toBeGreaterThan(before.getTime() + 9 * MINUTE_MS)
})

test('a pair that is paused stands with its app, which is not', async () => {
  await aTask(db.store)
  for (const taskId of ['1', '2']) await report('pair', 'default', taskId, '41011')
  expect(await one('default')).toMatchObject({
    pauseCode: null,
    pairs: [
      { agentId: '836390886', pauseCode: 'agent_id', pauseDetail: { said: '41011', agentId: '836390886' }, pausedUntil: expect.any(Date) },
    ],
  })
})

test('a success ends a pause, and says when it was', async () => {
  const { key } = await aTask(db.store, { agentId: '836390886' })
  for (const taskId of ['1', '2']) await report('app', 'default', taskId, '60011')
  const requestedAt = new Date()
  await gate.recordSuccess(key, '836390886', requestedAt)
  const free = { pauseCode: null, pauseDetail: null, pauseSince: null, pausedUntil: null, lastGoodAt: requestedAt }
  expect(await one('default')).toMatchObject({ ...free, pauseKind: null, pauseReason: null, pairs: [{ agentId: '836390886', ...free }] })
})

test('a running worker that cannot poll an app stands with it, and one that is gone does not', async () => {
  await aTask(db.store)
  const problem = toProblem({ code: '40096', message: 'invalid secret', requestId: null }, null)
  const since = new Date('2026-11-23T09:00:00.000Z')
  const problems = JSON.stringify({
    default: { ...problem, since: since.toISOString() },
    'from-the-future': { code: 'new', detail: 7 },
    odd: 1,
  })
  await db.pool.query(
    `INSERT INTO delivery_worker (worker_id, started_at, seen_at, expires_at, apps, problems) VALUES
     ('runs', now(), now(), now() + interval '1 minute', '{default}', $1), ('gone', now(), now(), now() - interval '1 second', '{default}', $1),
     ('well', now(), now(), now() + interval '1 minute', '{default}', '{}')`,
    [problems],
  )
  expect(await one('default')).toMatchObject({
    workerProblems: [{ workerId: 'runs', problemCode: 'credentials', problemDetail: { said: '40096' }, problemSince: since }],
  })
  await db.pool.query('DELETE FROM delivery_worker')
})

test('open tasks with a problem, and delayed ones, are counted', async () => {
  const [first, second, third] = [await aTask(db.store), await aTask(db.store), await aTask(db.store)]
  await db.store.apply(planBody(first, { errcode: 60011, errmsg: 'no permission' }, 5))
  await delay(db.store, second.key, later(MINUTE_MS), { code: 'call_rate', detail: null })
  await db.store.apply(planBody(third, { errcode: 60011, errmsg: 'no permission' }, 5))
  await db.store.cancel(third.key)
  expect(await one('default')).toMatchObject({ openTasks: 2, tasksWithProblem: 1, tasksDelayed: 1 })
})
