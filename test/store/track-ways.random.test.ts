import fc from 'fast-check'
import type pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runs } from '../support/runs.ts'
import { openSession, openTestStore, type TestStore } from './support/database.ts'

/**
 * `track_delivery` and `delivery_track` store what is plain in short ways: by two statements where it is one new task, and by one statement where it is
 * many. Whatever the request is, all ways mean the same.
 */

let opened: TestStore
let session: pg.Client
beforeAll(async () => {
  opened = await openTestStore()
  session = await openSession(opened.url)
})
afterAll(async () => {
  await session.end()
  await opened.close()
})

interface Request {
  readonly app: string | null
  readonly taskId: string | null
  readonly agentId: string | null
  readonly campaign: string | null
  readonly sentAt: string | null
  readonly userIds: ReadonlyArray<string | null> | null
}

/** Plain text, and what is close to it: a list as text has quotation marks around some of it. */
const names = fc.oneof(
  { weight: 5, arbitrary: fc.stringMatching(/^[A-Za-z0-9_.@\u4e00-\u9fff-]{1,12}$/) },
  fc.constantFrom('NULL', 'null', 'a,b', 'a b', '{a}', '}', '"', '\\', "'", '', ' ', '\u{1F600}', 'ß', 'a'.repeat(128), 'a'.repeat(129)),
)
const many = fc.constantFrom(99, 100, 101).map((count) => Array.from({ length: count }, (_, i) => `user${i}`))
const lists = fc.oneof(
  { weight: 6, arbitrary: fc.array(names, { maxLength: 5 }) },
  many,
  many.map((list) => [...list, 'user0']),
  fc.constantFrom([null], ['ann', null], ['bob', 'bob'], ['b', 'a', 'B', 'A']),
)
const orNone = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(arbitrary, { freq: 4 })
const ids = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 9_999 }).map(String) },
  fc.constantFrom('0', '01', '1 ', '9'.repeat(18), '9'.repeat(19), '9223372036854775807', 'x', ''),
)
const requests: fc.Arbitrary<Request> = fc.record({
  app: orNone(fc.constantFrom('default', 'hr', 'A-b_9', '_x', 'a b', 'x'.repeat(65))),
  taskId: fc.oneof({ weight: 9, arbitrary: ids }, fc.constant(null)),
  agentId: orNone(ids),
  campaign: orNone(fc.constantFrom('payroll-11', 'November 2026', '工资', '', ' a', 'c'.repeat(200), 'c'.repeat(201))),
  sentAt: orNone(
    fc.constantFrom('2015-01-01T00:00:00Z', '2014-12-31T23:59:59.999Z', '2026-03-01T09:00:00.123456+08:00', 'infinity', '-infinity'),
  ),
  userIds: orNone(lists),
})

const ONE = 'SELECT track_delivery(task_id => $1, agent_id => $2, user_ids => $3, campaign => $4, app => $5, sent_at => $6) AS is_new'
const MANY = 'SELECT is_new FROM delivery_track($1) ORDER BY place'
/** Sorts after all ids and is of an app of its own, so the request before it is checked and stored first. */
const ANOTHER = { app: 'z', taskId: '7', userIds: ['zoe'] }

const inSql = (it: Request): Promise<unknown> => answer(ONE, [it.taskId, it.agentId, it.userIds, it.campaign, it.app, it.sentAt])
const alone = (it: Request): Promise<unknown> => answer(MANY, [JSON.stringify([it])])
const besideAnother = (it: Request): Promise<unknown> => answer(MANY, [JSON.stringify([it, ANOTHER])])

/** Whether it was new, or why it was refused. */
async function answer(statement: string, values: unknown[]): Promise<unknown> {
  await session.query('SAVEPOINT before')
  try {
    return (await session.query<{ is_new: boolean }>(statement, values)).rows[0]?.is_new
  } catch (error) {
    await session.query('ROLLBACK TO before')
    if (!(error instanceof Error)) return error
    return {
      message: error.message,
      code: Reflect.get(error, 'code'),
      column: Reflect.get(error, 'column'),
      detail: Reflect.get(error, 'detail'),
    }
  }
}

/** What one way leaves behind, after other requests that came in before it. Nothing stays. */
async function outcome(way: (it: Request) => Promise<unknown>, before: Request | null, it: Request): Promise<unknown> {
  await session.query('BEGIN')
  try {
    if (before !== null) await alone(before)
    const said = await way(it)
    const { rows } = await session.query(`
      SELECT to_jsonb(task) - '{id}'::text[] AS task, ARRAY(
        SELECT to_jsonb(person) - '{task_pk}'::text[] FROM delivery_recipient AS person WHERE person.task_pk = task.id ORDER BY user_id
      ) AS people
      FROM delivery_task AS task WHERE app <> 'z' ORDER BY app, task_id`)
    const marks = await session.query(
      "SELECT DISTINCT app, campaign, whole FROM delivery_campaign_change WHERE app <> 'z' ORDER BY 1, 2, 3",
    )
    return { said, rows, marks: marks.rows }
  } finally {
    await session.query('ROLLBACK')
  }
}

/** `now()` is another one in each transaction, and is what the times of a task count from that has none. */
const TIMES = ['sent_at', 'deadline_at', 'next_poll_at', 'tracked_at'] as const

function withoutTimes(given: unknown, isTimed: boolean): unknown {
  return JSON.parse(JSON.stringify(given), (key: string, value: unknown) =>
    TIMES.some((name) => name === key) && (isTimed ? key === 'next_poll_at' || key === 'tracked_at' : true) ? 'a time' : value,
  )
}

test('a request means the same in all ways, whether its task is new or known', { timeout: 120_000 }, async () => {
  let stored = 0
  const property = fc.asyncProperty(requests, orNone(requests), async (it, other) => {
    // Of the same task, so that it is known.
    const before = other === null ? null : { ...other, app: it.app, taskId: it.taskId }
    const isTimed = it.sentAt !== null && before?.sentAt !== null
    const [one, single, several] = [
      await outcome(inSql, before, it),
      await outcome(alone, before, it),
      await outcome(besideAnother, before, it),
    ].map((each) => withoutTimes(each, isTimed))
    expect(one).toEqual(single)
    expect(several).toEqual(single)
    if (typeof single === 'object' && single !== null && 'said' in single && single.said === true) stored++
  })
  await fc.assert(property, { numRuns: runs(300) })
  expect(stored, 'new tasks').toBeGreaterThan(0)
})
