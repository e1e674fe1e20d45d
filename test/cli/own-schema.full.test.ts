import { readFile } from 'node:fs/promises'
import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { createTracker } from '../../src/index.ts'
import { type ApiPageServer, startApiPageServer } from '../support/api-page-server.ts'
import { CANARIES } from '../support/canaries.ts'
import { runCommand, startCommand } from '../support/commands.ts'
import { createTestDatabase, query, setSearchPath } from '../support/postgres.ts'
import { giveRights, urlAs } from '../support/roles.ts'
import { until } from '../support/wait.ts'

/**
 * Every command and every way to enqueue, with the least rights, in schemas that are named in the configuration, on sessions whose search path has
 * neither of them. What has not finished within its time on a busy machine is waited for.
 */

const AGENT = '836390886'
const TIME_SCALE = 1_440
const DAY_MS = 86_400_000 / TIME_SCALE
/** A day, what begins before it, and a busy machine. */
const TIMEOUT_MS = 5 * DAY_MS
const SCHEMAS = { DATABASE_SCHEMA: 'Tracker', QUEUE_SCHEMA: 'tracker_queue' }
/** As some hosters have it in their addresses. */
const OPTIONS = '?options=-c%20search_path%3Dpublic'

async function rolesFor(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(`SET dingtalk.schema = '${SCHEMAS.DATABASE_SCHEMA}'; SET dingtalk.queue_schema = '${SCHEMAS.QUEUE_SCHEMA}'`)
    await client.query(await readFile(new URL('../../deploy/postgres/roles.sql', import.meta.url), 'utf8'))
  } finally {
    await client.end()
  }
}

/** One person reads after two hours of the day, the other never. */
function send(server: ApiPageServer, taskId: string): void {
  const now = Date.now()
  const people = ['ann', 'bob'].map((userId, i) => ({
    ...{ userId, fate: 'delivered' as const, listedAt: now },
    readAt: i === 0 ? now + DAY_MS / 12 : null,
  }))
  server.add({ taskId, agentId: AGENT, sentAt: now, windowMs: DAY_MS, people })
}

test('a day of all commands', { timeout: TIMEOUT_MS }, async () => {
  const database = await createTestDatabase({ searchPath: 'pg_catalog' })
  onTestFinished(() => database.drop())
  // Makes the logins.
  await giveRights(database.url)
  await rolesFor(database.url)
  await query(database.url, 'DROP SCHEMA dingtalk')
  for (const role of ['worker', 'send', 'read', 'migrate'] as const) await setSearchPath(database.url, 'pg_catalog', `test_${role}`)
  const server = await startApiPageServer()
  onTestFinished(() => server.close())
  const as = (role: 'worker' | 'read' | 'migrate') => ({
    ...SCHEMAS,
    DATABASE_URL: `${urlAs(role, database.url)}${OPTIONS}`,
    DINGTALK_OAPI_URL: server.url,
    DINGTALK_API_URL: server.url,
    DINGTALK_APP_KEY: CANARIES.appKey,
    DINGTALK_APP_SECRET: CANARIES.appSecret,
    DINGTALK_AGENT_ID: AGENT,
    TIME_SCALE: String(TIME_SCALE),
    MAX_CALLS_PER_SECOND: '200',
    HEALTH_PORT: '0',
    PORT: '0',
  })
  const run = async (role: 'worker' | 'read' | 'migrate', ...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await runCommand(args, { env: as(role) })
    expect([args, code, stderr]).toEqual([args, 0, expect.any(String)])
    return stdout
  }
  await run('migrate', 'migrate')
  await rolesFor(database.url)
  const worker = startCommand(['worker'], { env: as('worker') })
  await worker.waitForLine(/worker ready/, 60_000)
  const web = startCommand(['serve'], { env: as('worker') })
  const address = /http:\/\/127\.0\.0\.1:\d+/.exec(await web.waitForLine(/^Dashboard: http/, 60_000))?.[0] ?? ''

  const taskIds = ['101', '102', '103', '104', '105']
  for (const taskId of taskIds) send(server, taskId)
  await run('worker', 'track', '101', '--user', 'ann', '--user', 'bob', '--campaign', 'payroll-11')
  const track = { userIds: ['ann', 'bob'], campaign: 'payroll-11' }
  const http = await fetch(`${address}/v1/tasks`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ taskId: '102', ...track }),
  })
  expect(http.status).toBe(202)
  const queued = createTracker({ queueUrl: as('worker').DATABASE_URL, queueSchema: SCHEMAS.QUEUE_SCHEMA })
  onTestFinished(() => queued.close())
  await until(() => queued.track({ taskId: '103', ...track }).then(() => true), { what: 'the queue takes a task' })
  const stored = createTracker({ databaseUrl: urlAs('send', database.url), schema: SCHEMAS.DATABASE_SCHEMA })
  onTestFinished(() => stored.close())
  await until(() => stored.track({ taskId: '104', ...track }).then(() => true), { what: 'the database takes a task' })
  await query(
    urlAs('send', database.url),
    `SELECT "Tracker".track_delivery(task_id => '105', user_ids => ARRAY['ann', 'bob'], campaign => 'payroll-11')`,
  )

  const rates = () => query(database.url, 'SELECT task_id, status, read, unread FROM "Tracker".delivery_task_rates ORDER BY 1')
  const isRead = async () => (await rates()).filter(({ read }) => read === 1).length === taskIds.length
  await until(isRead, { timeoutMs: 2 * DAY_MS, everyMs: 250, what: 'one person has read each task' })
  const doctor = await run('worker', 'doctor', '--json')
  expect(JSON.parse(doctor)).toContainEqual({ name: 'schema', ok: true, detail: 'fits this version, in the schema Tracker' })

  expect(JSON.parse(await run('read', 'show', '101', '--json'))).toMatchObject({ read: 1 })
  expect(await run('read', 'report')).toContain('payroll-11')
  expect(await run('read', 'unread', '--campaign', 'payroll-11')).toContain('bob')
  await run('worker', 'resume', '102')
  expect(await run('worker', 'cancel', '102')).toBe('cancelled\n')
  await run('worker', 'erase', '--user', 'bob')
  const people = await fetch(`${address}/v1/campaigns/payroll-11/recipients`)
  expect([people.status, JSON.stringify(await people.json())]).toEqual([200, expect.not.stringContaining('bob')])
  for (const path of ['/', '/metrics', '/readyz', '/v1/tasks', '/v1/campaigns/payroll-11/curve'])
    await until(async () => (await fetch(`${address}${path}`)).status === 200, { what: `${path} is answered` })

  const isOver = async () => (await rates()).every(({ status }) => status !== 'tracking')
  await until(isOver, { timeoutMs: 2 * DAY_MS, everyMs: 250, what: 'all tasks ended' })
  expect((await rates()).map(({ status }) => status)).toEqual(['expired', 'cancelled', 'expired', 'expired', 'expired'])
  const places = await query(
    database.url,
    `SELECT DISTINCT nspname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
     WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema' ORDER BY 1`,
  )
  expect(places).toEqual([{ nspname: 'Tracker' }, { nspname: 'tracker_queue' }])
})
