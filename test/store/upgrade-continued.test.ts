import { readFileSync } from 'node:fs'
import { Client, type QueryResultRow } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createLogger } from '../../src/ops/logger.ts'
import { migrateQueueSchema } from '../../src/queue/schema.ts'
import { migrate } from '../../src/store/migrate.ts'
import { type Database, openDatabase } from '../../src/store/prisma.ts'
import { createResuming } from '../../src/store/resume.ts'
import { createWorker, type EmbeddedWorker } from '../../src/worker.ts'
import { type ApiPageServer, type Person, startApiPageServer } from '../support/api-page-server.ts'
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts'
import { until } from '../support/wait.ts'

/** The dump of a database of 0.1.0 with open tasks is restored as if it had just been made, migrated, and continued by the worker. */

const DUMP = readFileSync(new URL('support/dump-0.1.0.sql', import.meta.url), 'utf8')
const DUMPED_AT = '2026-11-27T10:00:00Z'
const AGENT_ID = '836390886'
const DAY_MS = 24 * 60 * 60_000

const task = (no: number): string => `256271667${no}`

const VIEWS = [
  'delivery_task_rates',
  'delivery_campaign_rates',
  'delivery_recipient_status',
  'delivery_read_curve',
  'delivery_looks',
  'delivery_state_changes',
]

let created: TestDatabase
let client: Client
let database: Database
let server: ApiPageServer
let worker: EmbeddedWorker
/** What the views of 0.1.0 showed before the migration. */
let before: Map<string, QueryResultRow[]>

beforeAll(async () => {
  created = await createTestDatabase()
  // The dump sets its session up for itself.
  const restoring = await connect()
  await restoring.query(DUMP)
  await restoring.end()
  client = await connect()
  await moveToNow()
  before = new Map()
  for (const view of VIEWS) before.set(view, await select(`SELECT * FROM ${view}`))
  await migrate(created.url)
  await migrateQueueSchema(created.url, ['dingtalk-delivery'])
  database = openDatabase(created.url)
  server = await startApiPageServer()
})
afterAll(async () => {
  await worker?.close()
  await server.close()
  await database.close()
  await client.end()
  await created.drop()
})

async function connect(): Promise<Client> {
  const session = new Client({ connectionString: created.url })
  await session.connect()
  return session
}

async function select(sql: string, values: unknown[] = []): Promise<QueryResultRow[]> {
  return (await client.query<QueryResultRow>(sql, values)).rows
}

/** The rows without their order, each as one text. */
function sortedRows(rows: readonly QueryResultRow[], columns: readonly string[]): string[] {
  return rows.map((row) => JSON.stringify(columns.map((column): unknown => row[column]))).sort()
}

async function moveToNow(): Promise<void> {
  const columns = await select(`
    SELECT table_name AS table, string_agg(format('%1$I = %1$I + (now() - %2$L::timestamptz)', column_name, '${DUMPED_AT}'), ', ') AS set
    FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
    WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' AND table_name LIKE 'delivery%' AND data_type = 'timestamp with time zone'
    GROUP BY table_name`)
  await client.query(columns.map(({ table, set }) => `UPDATE ${table} SET ${set}`).join(';\n'))
}

describe('after the migration', () => {
  test.each(VIEWS)('%s shows what it showed before', async (view) => {
    const old = before.get(view) ?? []
    const columns = Object.keys(old[0] ?? {})
    expect(columns.length).toBeGreaterThan(5)
    expect(sortedRows(await select(`SELECT * FROM ${view}`), columns)).toEqual(sortedRows(old, columns))
  })

  test('the reason of a delay is readable by its old name and by its new one', async () => {
    const [row] = await select('SELECT hindrance, delay_reason, delay_code FROM delivery_task_rates WHERE task_id = $1', [task(504)])
    expect(row).toMatchObject({ hindrance: expect.stringMatching(/^grant the app the permission .*60011/), delay_code: 'earlier_version' })
    expect(row?.['delay_reason']).toBe(row?.['hindrance'])
  })
})

/** In no list before it was sent, and delivered since. */
const person = (userId: string, hasRead: boolean): Person => ({ userId, fate: 'delivered', listedAt: 0, readAt: hasRead ? 0 : null })

const PEOPLE: ReadonlyArray<readonly [no: number, people: readonly Person[]]> = [
  [
    501,
    [
      ...['0042', 'ann', 'bob', 'cid'].map((userId) => person(userId, true)),
      { ...person('dan', false), fate: 'invalid' },
      { ...person('eve', false), fate: 'forbidden' },
    ],
  ],
  [502, [person('ann', true), person('bob', false)]],
  [503, [person('gus', true), person('hal', true)]],
  [504, [person('ida', true)]],
  [505, [person('lea', true), person('mia', true)]],
  [506, [person('ken', true)]],
]

describe('the worker goes on', () => {
  let polls: QueryResultRow[]
  let changes: QueryResultRow[]

  beforeAll(async () => {
    polls = await select('SELECT * FROM delivery_looks')
    changes = await select('SELECT * FROM delivery_state_changes')
    const sent = new Map((await select('SELECT task_id, sent_at FROM delivery_task_rates')).map((row) => [row['task_id'], row['sent_at']]))
    for (const [no, people] of PEOPLE) {
      const sentAt: unknown = sent.get(task(no))
      if (!(sentAt instanceof Date)) throw new TypeError('every task has a send time')
      server.add({ taskId: task(no), agentId: AGENT_ID, sentAt: sentAt.getTime(), windowMs: DAY_MS, people })
    }
    const app = {
      credentials: { kind: 'internal', appKey: 'key', appSecret: 'secret', endpoint: 'new' },
      agentId: AGENT_ID,
      oapiUrl: server.url,
      apiUrl: server.url,
    } as const
    worker = createWorker({
      databaseUrl: created.url,
      apps: [{ ...app }, { ...app, name: 'branch' }, { ...app, name: 'shop' }],
      shutdownGraceSeconds: 5,
      logger: createLogger({ level: 'silent', pretty: false }),
    })
    await worker.ready
  })

  const statusOf = async (no: number): Promise<QueryResultRow> =>
    (await select('SELECT status, reason_code, polls FROM delivery_task_rates WHERE task_id = $1', [task(no)]))[0] ?? {}
  const ends = (no: number): Promise<unknown> =>
    until(async () => (await statusOf(no))['status'] !== 'tracking', { what: `task ${no} has ended` })

  test('a task in mid-window is polled on and ends when all recipients are accounted for', async () => {
    await ends(501)
    expect(await statusOf(501)).toEqual({ status: 'complete', reason_code: 'all_accounted_for', polls: 17 })
  })

  test('a bracket that was closed stays, and one that was open begins with the last poll of 0.1.0', async () => {
    const old = new Map((before.get('delivery_recipient_status') ?? []).map((row) => [`${row['task_id']} ${row['user_id']}`, row]))
    const rows = await select('SELECT user_id, read_after, read_before FROM delivery_recipient_status WHERE task_id = $1', [task(501)])
    const now = new Map(rows.map((row) => [row['user_id'], row]))
    const was = (userId: string): QueryResultRow | undefined => old.get(`${task(501)} ${userId}`)
    expect(now.get('ann')).toMatchObject({ read_after: was('ann')?.['read_after'], read_before: was('ann')?.['read_before'] })
    for (const userId of ['bob', '0042']) {
      expect(was(userId)?.['last_unread_at']).toBeInstanceOf(Date)
      expect(now.get(userId)?.['read_after']).toEqual(was(userId)?.['last_unread_at'])
      expect(Number(now.get(userId)?.['read_before'])).toBeGreaterThan(Number(now.get(userId)?.['read_after']))
    }
  })

  test('a task whose final poll is due gets it, and is not polled again', async () => {
    const row = async () =>
      (await select('SELECT final_calls, next_poll_at = deadline_at AS is_last FROM delivery_task WHERE task_id = $1', [task(502)]))[0]
    await until(async () => (await row())?.['final_calls'] === 1, { what: 'the final poll is stored' })
    expect(await row()).toEqual({ final_calls: 1, is_last: true })
    expect(await statusOf(502)).toEqual({ status: 'tracking', reason_code: null, polls: 24 })
  })

  test('a task whose deadline passed meanwhile ends without a call, and its recipients stay as they were seen', async () => {
    await ends(503)
    expect(await statusOf(503)).toEqual({ status: 'expired', reason_code: 'blind_before_deadline', polls: 23 })
    expect(server.calls.get(task(503))).toBeUndefined()
    expect(await select('SELECT user_id, state FROM delivery_recipient_status WHERE task_id = $1 ORDER BY 1', [task(503)])).toEqual([
      { user_id: 'gus', state: 'read' },
      { user_id: 'hal', state: 'unread' },
    ])
  })

  test('a task that a pause of 0.1.0 delayed is polled: one answer is not enough to pause an app', async () => {
    await ends(504)
    expect(await statusOf(504)).toEqual({ status: 'complete', reason_code: 'all_read', polls: 26 })
  })

  test('a task that was enqueued while no worker ran is scheduled and polled', async () => {
    const row = async () =>
      (
        await select(
          'SELECT scheduled_at IS NOT NULL AS is_scheduled, next_poll_at > now() AS is_planned, recipients_known FROM delivery_task WHERE task_id = $1',
          [task(505)],
        )
      )[0]
    await until(async () => (await row())?.['is_scheduled'] === true, { what: 'it is scheduled' })
    expect(await row()).toEqual({ is_scheduled: true, is_planned: true, recipients_known: true })
  })

  test('a task that 0.1.0 stopped inside its window is polled again when a person resumes it', async () => {
    expect(await statusOf(506)).toMatchObject({ status: 'stopped', reason_code: 'parameters' })
    expect(await createResuming(database.prisma).task({ app: 'default', taskId: task(506) })).toEqual({ isWithoutBudget: false })
    await ends(506)
    expect(await statusOf(506)).toEqual({ status: 'complete', reason_code: 'all_read', polls: 2 })
  })

  test('no poll and no change that 0.1.0 stored is altered', async () => {
    for (const [view, old] of [
      ['delivery_looks', polls],
      ['delivery_poll_history', polls],
      ['delivery_state_changes', changes],
    ] as const) {
      const columns = Object.keys(old[0] ?? {})
      const now = new Set(sortedRows(await select(`SELECT * FROM ${view}`), columns))
      expect(old.length).toBeGreaterThan(10)
      expect(sortedRows(old, columns).filter((row) => !now.has(row))).toEqual([])
    }
  })
})
