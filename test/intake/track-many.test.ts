import { expect, onTestFinished, test } from 'vitest'
import type { TrackInput, TrackResult } from '../../src/index.ts'
import { createTracker, TrackerError } from '../../src/index.ts'
import { aDatabase, aSession, aTracker, proxied } from './support.ts'

const people = (count: number): string[] => Array.from({ length: count }, (_, i) => `0366${String(i).padStart(6, '0')}`)

function tasksOf(app: string, count: number, userIds: readonly string[]): TrackInput[] {
  const sentAt = new Date(Date.now() - 60_000)
  return Array.from({ length: count }, (_, i) => ({
    app,
    taskId: String(100_000 + i),
    agentId: '1',
    campaign: `c${i % 7}`,
    userIds,
    sentAt,
  }))
}

const FIGURES = `SELECT app, count(*)::int AS tasks, sum(pending)::int AS pending,
    (SELECT count(*)::int FROM delivery_recipient AS person JOIN delivery_task AS of ON of.id = person.task_pk WHERE of.app = task.app) AS people
  FROM delivery_task AS task GROUP BY app ORDER BY app`

test('six senders of many tasks at once are all stored, whole and in the order of their requests', async () => {
  const databaseUrl = await aDatabase()
  const senders = Array.from({ length: 6 }, (_, i) => tasksOf(`sender-${i}`, 320, people(100)))
  const results = await Promise.all(senders.map((inputs) => aTracker({ databaseUrl }).trackMany(inputs)))
  for (const [i, inputs] of senders.entries()) {
    expect(results[i]).toEqual(inputs.map(({ app, taskId }): object => ({ app, taskId, duplicate: false, conflict: [], updated: [] })))
  }
  const sql = await aSession(databaseUrl)
  expect(await sql.query(FIGURES)).toEqual(senders.map((_, i) => ({ app: `sender-${i}`, tasks: 320, pending: 32_000, people: 32_000 })))
})

test('six at once through one tracker wait for its connections, and are all stored', async () => {
  const databaseUrl = await aDatabase()
  const tracker = aTracker({ databaseUrl })
  await Promise.all(Array.from({ length: 6 }, (_, i) => tracker.trackMany(tasksOf(`sender-${i}`, 1_100, people(3)))))
  expect(await (await aSession(databaseUrl)).query('SELECT count(*)::int AS tasks FROM delivery_task')).toEqual([{ tasks: 6_600 }])
})

test('one task many times in a long list is one task, and the last data for it counts', async () => {
  const databaseUrl = await aDatabase()
  const inputs = Array.from({ length: 1_700 }, (_, i) => ({ taskId: String(1 + (i % 2)), agentId: String(1 + Math.floor(i / 2)) }))
  const results = await aTracker({ databaseUrl }).trackMany(inputs)
  expect(results.filter(({ duplicate }) => duplicate === false).map(({ taskId }) => taskId)).toEqual(['1', '2'])
  const sql = await aSession(databaseUrl)
  expect(await sql.query('SELECT task_id, agent_id FROM delivery_task ORDER BY task_id')).toEqual([
    { task_id: '1', agent_id: '850' },
    { task_id: '2', agent_id: '850' },
  ])
})

/** The error, and what it says was taken. */
async function failureOf(work: Promise<unknown>): Promise<TrackerError & { readonly taken: readonly TrackResult[] }> {
  const error: unknown = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof TrackerError) || error.taken === undefined) throw new Error(`not what was expected: ${String(error)}`)
  return Object.assign(error, { taken: error.taken })
}

test('where it fails in the middle, the error has what was taken, just that is stored, and tracking all again is safe', async () => {
  const databaseUrl = await aDatabase()
  const sql = await aSession(databaseUrl)
  const inputs = tasksOf('hr', 2_600, ['ann'])
  await sql.query(`
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION USING ERRCODE = '53100', MESSAGE = 'disk full'; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON delivery_task FOR EACH ROW WHEN (NEW.task_id = '101700') EXECUTE FUNCTION refuse()`)
  const tracker = aTracker({ databaseUrl })
  const error = await failureOf(tracker.trackMany(inputs))
  expect(error).toMatchObject({ code: 'DATABASE_UNAVAILABLE', message: expect.stringContaining('disk full') })
  expect(error.message).toMatch(new RegExp(` ${error.taken.length} of 2600 were taken; tracking all again is safe\\.$`))
  expect(error.taken.length).toBeGreaterThanOrEqual(1_000)
  const stored = await sql.query<{ task_id: string }>('SELECT task_id FROM delivery_task ORDER BY task_id')
  expect(error.taken.map(({ taskId }) => taskId).toSorted()).toEqual(stored.map((row) => row.task_id))
  await sql.query('DROP TRIGGER refuse ON delivery_task')
  const results = await tracker.trackMany(inputs)
  expect(results.filter(({ duplicate }) => duplicate === true)).toHaveLength(stored.length)
  expect(results.every(({ conflict, updated }) => conflict?.length === 0 && updated?.length === 0)).toBe(true)
  expect(await sql.query(FIGURES)).toEqual([{ app: 'hr', tasks: 2_600, pending: 2_600, people: 2_600 }])
})

test('where nothing could be taken the error says so, and a single task has no list', async () => {
  const { url, proxy } = await proxied(await aDatabase())
  await proxy.mode('refuse')
  const tracker = aTracker({ databaseUrl: url })
  expect((await failureOf(tracker.trackMany([{ taskId: '1' }, { taskId: '2' }]))).taken).toEqual([])
  await expect(tracker.track({ taskId: '1' })).rejects.not.toHaveProperty('taken')
})

test('a send time that only the database takes for one of the future is refused with its field, and nothing is stored', async () => {
  const databaseUrl = await aDatabase()
  const sql = await aSession(databaseUrl)
  await sql.query(`ALTER FUNCTION delivery_track(jsonb) RENAME TO real_track;
    CREATE FUNCTION delivery_track(p jsonb) RETURNS TABLE (place integer, is_new boolean, status text, conflict text[], updated text[], stored jsonb)
    LANGUAGE sql AS $$ SELECT * FROM real_track(jsonb_set(p, '{0,sentAt}', to_jsonb(now() + interval '1 hour'))) $$`)
  await expect(aTracker({ databaseUrl }).track({ taskId: '1', sentAt: new Date() })).rejects.toMatchObject({
    name: 'InvalidInputError',
    field: 'sentAt',
    message: expect.stringContaining('60 minutes in the future. Check the clock'),
  })
  expect(await sql.query('SELECT 1 FROM delivery_task')).toEqual([])
})

test('a long list in a short session limit: the longer limit ends with its own transaction', async () => {
  const databaseUrl = await aDatabase()
  const tracker = createTracker({ databaseUrl })
  onTestFinished(() => tracker.close())
  await tracker.trackMany(tasksOf('hr', 1_100, ['ann']))
  const sql = await aSession(databaseUrl)
  expect(
    await sql.query(
      `SELECT count(*)::int AS waiting FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'`,
    ),
  ).toEqual([{ waiting: 0 }])
})
