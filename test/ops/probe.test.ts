import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { Finding } from '../../src/lib/finding.ts'
import { migrateQueueSchema } from '../../src/queue/schema.ts'
import { type Simulator, type SimulatorOptions, startSimulator } from '../../src/simulator/simulator.ts'
import { runCommand } from '../support/commands.ts'
import { freePort } from '../support/free-port.ts'
import { createTestDatabase, execute } from '../support/postgres.ts'

/** `doctor --task`: one call for a task, whose answer is shown and not stored. */

const APP = { appKey: 'dingkey00', appSecret: 'sEcReT-of-app', agentId: '836390886' }
const PEOPLE = [
  { userId: '036632523163121146', readAfterMs: 0 },
  { userId: 'manager4220', fate: 'never' as const },
  { userId: 'manager4221', fate: 'never' as const },
]

interface Dingtalk {
  readonly simulator: Simulator
  readonly taskId: string
  readonly env: Readonly<Record<string, string>>
}

async function aDingtalk(options: SimulatorOptions = {}): Promise<Dingtalk> {
  const simulator = await startSimulator({ ...options, apps: [APP] })
  onTestFinished(() => simulator.close())
  const { taskId } = simulator.createTask({ agentId: APP.agentId, recipients: PEOPLE })
  const env = {
    DINGTALK_OAPI_URL: simulator.url,
    DINGTALK_API_URL: simulator.url,
    DINGTALK_APP_KEY: APP.appKey,
    DINGTALK_APP_SECRET: APP.appSecret,
    DINGTALK_AGENT_ID: APP.agentId,
  }
  return { simulator, taskId, env }
}

async function rowsOf(url: string, query: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<Record<string, unknown>>(query)).rows
  } finally {
    await client.end()
  }
}

let database: Awaited<ReturnType<typeof createTestDatabase>>
beforeAll(async () => {
  database = await createTestDatabase({ migrated: true })
  await migrateQueueSchema(database.url)
})
afterAll(() => database.drop())

/** One for all tests, as new for each. */
async function aDatabase(): Promise<string> {
  await execute(database.url, 'TRUNCATE delivery_app, delivery_pair, delivery_task CASCADE')
  return database.url
}

interface Told {
  readonly code: number | null
  readonly findings: readonly Finding[]
  /** What the call for the task showed. */
  readonly call: Finding
}

async function ask(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Told> {
  const { code, stdout, stderr } = await runCommand(['doctor', '--json', '--task', ...args], { env })
  const findings: Finding[] = JSON.parse(stdout || '[]')
  const call = findings.find(({ name }) => name.startsWith('call for task'))
  if (call === undefined) throw new Error(`no call is told of: ${stderr}${stdout}`)
  return { code, findings, call }
}

test('with credentials alone: numbers by state, no ids, exit code 0, one call', async () => {
  const { simulator, taskId, env } = await aDingtalk()
  const { code, findings, call } = await ask([taskId], env)
  expect(call).toEqual({
    name: `call for task ${taskId}`,
    ok: true,
    detail:
      'app "default" with agent id 836390886: permission, agent id and task fit. DingTalk lists 3 people: 1 read, 2 unread. The call is not counted in the rate and the budget.',
  })
  expect(JSON.stringify(findings)).not.toContain('manager4220')
  expect(findings.find(({ name }) => name === 'database')).toMatchObject({ ok: true, detail: expect.stringContaining('not checked') })
  expect([code, simulator.taskCalls(taskId).calls]).toEqual([0, 1])
})

test('with a database the call counts, and nothing else of a tracked task changes', async () => {
  const [{ simulator, taskId, env }, databaseUrl] = await Promise.all([aDingtalk(), aDatabase()])
  const all = { ...env, DATABASE_URL: databaseUrl, MONTHLY_CALL_BUDGET: '1' }
  await execute(databaseUrl, `SELECT track_delivery(task_id => '${taskId}')`)
  const stored = () => rowsOf(databaseUrl, `SELECT to_jsonb(task) AS task FROM delivery_task AS task`)
  const before = await stored()

  const { call } = await ask([taskId], all)
  expect(call).toMatchObject({ ok: true, detail: expect.not.stringContaining('not counted') })
  expect(await stored()).toEqual(before)
  expect(await rowsOf(databaseUrl, 'SELECT FROM delivery_poll UNION ALL SELECT FROM delivery_recipient')).toEqual([])
  expect(await rowsOf(databaseUrl, 'SELECT calls_used FROM delivery_app')).toEqual([{ calls_used: 1 }])

  const second = await ask([taskId], all)
  expect(second.call).toMatchObject({
    ok: false,
    detail: expect.stringMatching(
      /^No call was made: MONTHLY_CALL_BUDGET \(1 calls\) leaves none in \d{4}-\d\d: 1 are used, 0 are reserved/,
    ),
    remedy: expect.stringContaining('MONTHLY_CALL_BUDGET'),
  })
  expect([second.code, simulator.taskCalls(taskId).calls]).toEqual([1, 1])
})

describe('what DingTalk refuses, each with its remedy, and counted as it counts', () => {
  const CASES: ReadonlyArray<
    readonly [name: string, prepare: (dingtalk: Dingtalk) => readonly string[], detail: RegExp, remedy: RegExp, counted: 0 | 1]
  > = [
    ['a wrong agent id', ({ taskId }) => [taskId, '--agent-id', '999'], /agent id 999.*400002/, /task id and agent id belong together/, 1],
    ['an unknown task', () => ['4711'], /400002/, /belong together.*more than 24 hours ago/, 1],
    [
      'a missing permission',
      ({ simulator, taskId }) => (simulator.inject({ kind: 'code', code: 60011, match: { endpoint: 'getsendresult' } }), [taskId]),
      /lacks the permission qyapi_base.*60011/,
      /Grant the app the permission qyapi_base/,
      1,
    ],
    [
      'an address that is not allowed',
      ({ simulator, taskId }) => (
        simulator.inject({
          kind: 'code',
          code: 60020,
          message: 'request ip=2001:db8::7 not in whitelist',
          match: { endpoint: 'getsendresult' },
        }),
        [taskId]
      ),
      /2001:db8::7/,
      /Add 2001:db8::7 to the app's IP allow-list/,
      1,
    ],
    [
      'more than 100 people',
      ({ simulator }) => [
        simulator.createTask({ agentId: APP.agentId, recipients: Array.from({ length: 101 }, (_, i) => ({ userId: `u${i}` })) }).taskId,
      ],
      /Call timeout/i,
      /at most 100 recipients a task/,
      1,
    ],
    ['a used-up quota', ({ simulator, taskId }) => (simulator.setQuota({ left: 0 }), [taskId]), /quota.*used up/, /Buy calls/, 0],
    [
      'a rate limit',
      ({ simulator, taskId }) => (simulator.inject({ kind: 'code', code: 90018, match: { endpoint: 'getsendresult' } }), [taskId]),
      /limits the rate/,
      /Nothing to do/,
      0,
    ],
    [
      'a token that is refused, once: no second call',
      ({ simulator, taskId }) => (simulator.inject({ kind: 'expired-token', times: 1 }), [taskId]),
      /refuses a fresh access token/,
      /app key, app secret/,
      1,
    ],
    [
      'a secret that is wrong: no call',
      ({ simulator, taskId }) => (simulator.rotateSecret({ appKey: APP.appKey, appSecret: 'another' }), [taskId]),
      /refuses the credentials.*No call was made/,
      /DINGTALK_APP_SECRET/,
      0,
    ],
    [
      'an outage',
      ({ simulator, taskId }) => (simulator.inject({ kind: 'http-status', status: 502, match: { endpoint: 'getsendresult' } }), [taskId]),
      /HTTP_502/,
      /something on the way|If it lasts/,
      1,
    ],
  ]

  test.each(CASES)('%s', async (_, prepare, detail, remedy, counted) => {
    const [dingtalk, databaseUrl] = await Promise.all([aDingtalk(), aDatabase()])
    const args = prepare(dingtalk)
    const before = dingtalk.simulator.stats().metered
    const { code, call } = await ask(args, { ...dingtalk.env, DATABASE_URL: databaseUrl })
    expect(call).toMatchObject({ ok: false, detail: expect.stringMatching(detail), remedy: expect.stringMatching(remedy) })
    expect(code).toBe(1)
    expect(dingtalk.simulator.stats().metered - before).toBeLessThanOrEqual(1)
    expect(await rowsOf(databaseUrl, 'SELECT calls_used FROM delivery_app')).toEqual([{ calls_used: counted }])
    expect(await rowsOf(databaseUrl, 'SELECT FROM delivery_pair UNION ALL SELECT FROM delivery_worker')).toEqual([])
  })

  test('a task whose 24 hours are over', async () => {
    const [{ simulator, taskId, env }, databaseUrl] = await Promise.all([aDingtalk({ timeScale: 1_000_000 }), aDatabase()])
    await execute(
      databaseUrl,
      `SELECT track_delivery(task_id => '${taskId}', sent_at => now() - interval '25 hours')`,
      "UPDATE delivery_task SET deadline_at = now() - interval '1 hour', scheduled_at = now()",
    )
    const { call } = await ask([taskId], { ...env, DATABASE_URL: databaseUrl })
    expect(call).toMatchObject({ ok: false, remedy: expect.stringMatching(/The 24 hours of this task ended at 20.*no longer answers/) })
    expect(simulator.taskCalls(taskId).calls).toBe(1)
  })

  test('a token that was given and is refused', async () => {
    const { taskId, env } = await aDingtalk()
    const { DINGTALK_APP_KEY: _, DINGTALK_APP_SECRET: __, ...rest } = env
    const { call } = await ask([taskId], { ...rest, DINGTALK_ACCESS_TOKEN: 'a-token-of-nobody' })
    expect(call).toMatchObject({ ok: false, remedy: expect.stringContaining('replace DINGTALK_ACCESS_TOKEN') })
  })
})

describe('no call', () => {
  test('for an app that is paused, with the cause', async () => {
    const [{ simulator, taskId, env }, databaseUrl] = await Promise.all([aDingtalk(), aDatabase()])
    await execute(
      databaseUrl,
      `INSERT INTO delivery_app (app, pause_code, pause_detail, paused_until, pause_set_at) VALUES ('default', 'quota',
       '{"said":"90020","message":"","scope":"app","requestId":null,"agentId":null,"ip":null}', now() + interval '1 hour', now())`,
    )
    const { call } = await ask([taskId], { ...env, DATABASE_URL: databaseUrl })
    expect(call).toMatchObject({
      ok: false,
      detail: expect.stringMatching(/^No call was made: app "default" is paused until .*quota/),
      remedy: expect.stringContaining('dingtalk-delivery resume --app default'),
    })
    expect(simulator.stats().metered).toBe(0)
  })

  test('that cannot be counted: the database is away', async () => {
    const { simulator, taskId, env } = await aDingtalk()
    const { call } = await ask([taskId], { ...env, DATABASE_URL: `postgres://u:pw@127.0.0.1:${await freePort()}/x` })
    expect(call).toMatchObject({ ok: false, detail: expect.stringContaining('it could not be counted') })
    expect(simulator.stats().metered).toBe(0)
  })

  test('without an agent id, or for an app that is not configured', async () => {
    const { taskId, env } = await aDingtalk()
    const withoutAgent = await ask([taskId], { ...env, DINGTALK_AGENT_ID: '' })
    expect(withoutAgent.call).toMatchObject({ ok: false, remedy: expect.stringContaining('DINGTALK_AGENT_ID') })
    const other = await ask([taskId, '--app', 'hr'], env)
    expect(other.call).toMatchObject({ ok: false, detail: 'No call was made: no app "hr" is configured, only "default".' })
    const none = await ask([taskId], {})
    expect(none.call).toMatchObject({ ok: false, detail: 'No call was made: no app is configured.' })
  })

  test('for what is no agent id', async () => {
    const { taskId, env } = await aDingtalk()
    expect(await runCommand(['doctor', '--task', taskId, '--agent-id', '08'], { env })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--agent-id "08" is not accepted'),
    })
    expect(await runCommand(['doctor', '--agent-id', '8'], { env })).toMatchObject({ code: 2 })
  })
})
