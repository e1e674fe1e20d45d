import { expect, test } from 'vitest'
import { parseConfig } from '../../src/app/config/config.ts'
import { migrateQueueSchema } from '../../src/queue/schema.ts'
import { createTestDatabase, execute } from '../support/postgres.ts'
import { startProxy } from '../support/tcp-proxy.ts'
import { diagnose } from './support.ts'

const DATABASE_CHECKS = ['database', 'schema', 'clock', 'connections', 'rights', 'names', 'overdue', 'blind gaps']

test.concurrent('doctor tells what another process can know, and counts a warning as wrong', async ({ onTestFinished }) => {
  const database = await createTestDatabase({ migrated: true })
  onTestFinished(() => database.drop())
  await migrateQueueSchema(database.url)
  const config = parseConfig({ DATABASE_URL: database.url })
  const well = await diagnose(config)
  expect(well.filter(({ ok }) => ok).map(({ name }) => name)).toEqual([...DATABASE_CHECKS, 'queue', 'refused jobs'])

  await execute(
    database.url,
    'SELECT track_delivery(task_id => n::text) FROM generate_series(1, 2) AS n',
    "UPDATE delivery_task SET scheduled_at = now(), next_poll_at = now() - interval '10 minutes'",
    `UPDATE delivery_task SET status = 'expired', reason_code = 'blind_before_deadline', next_poll_at = NULL, finished_at = now()
     WHERE task_id = '2'`,
  )
  const wrong = (await diagnose(config)).filter(({ name, ok }) => !ok && DATABASE_CHECKS.includes(name))
  expect(wrong).toMatchObject([
    {
      name: 'overdue',
      warning: true,
      detail: expect.stringMatching(/^1 polls are overdue, the oldest by 60\d s/),
      remedy: expect.any(String),
    },
    { name: 'blind gaps', warning: true, detail: expect.stringContaining('1 tasks ended'), remedy: expect.any(String) },
  ])
})

test.concurrent('doctor tells what keeps tasks from being polled, with the remedy, and one task that is asked for', async ({
  onTestFinished,
}) => {
  const database = await createTestDatabase({ migrated: true })
  onTestFinished(() => database.drop())
  await migrateQueueSchema(database.url)
  const detail = '{"said": "60011", "message": "no permission"}'
  await execute(
    database.url,
    `SELECT track_delivery(task_id => n::text, app => 'hr') FROM generate_series(1, 5) AS n`,
    `UPDATE delivery_task SET problem_code = CASE task_id WHEN '3' THEN 'outage' ELSE 'permission' END, problem_detail = '${detail}'
     WHERE task_id IN ('1', '2', '3')`,
    `UPDATE delivery_task SET delay_code = 'paused', delay_detail = '{"problem": "quota", "scope": "app"}' WHERE task_id = '4'`,
    `UPDATE delivery_task SET status = 'cancelled', reason_code = 'cancelled', next_poll_at = NULL, finished_at = now() WHERE task_id = '5'`,
    `INSERT INTO delivery_app (app, pause_code, pause_detail, paused_until) VALUES ('hr', 'permission', '${detail}', now())`,
    `INSERT INTO delivery_pair (app, agent_id, pause_code, paused_until) VALUES ('hr', '77', 'agent_id', now())`,
    `INSERT INTO delivery_worker (worker_id, started_at, seen_at, expires_at, apps, problems)
     VALUES ('w1', now(), now(), now() + interval '1 hour', '{}', '{"hr": {"code": "unknown_app", "detail": {"said": "UNKNOWN_APP"}}}')`,
  )
  const config = parseConfig({ DATABASE_URL: database.url })
  const told = (await diagnose(config)).filter(({ name }) => name.includes('"hr"'))
  const grant = expect.stringContaining('Grant the app the permission qyapi_base')
  expect(told).toMatchObject([
    {
      name: 'app "hr"',
      ok: false,
      warning: true,
      detail: expect.stringMatching(/^Paused\. The app lacks.*60011 no permission/),
      remedy: grant,
    },
    { name: 'agent id 77 of app "hr"', ok: false, detail: expect.stringContaining('does not accept the agent id') },
    { name: 'app "hr" at one worker', ok: false, detail: expect.stringMatching(/^Worker w1\. .*UNKNOWN_APP/) },
    { name: 'tasks of app "hr"', ok: false, detail: expect.stringMatching(/^2 tasks, such as 1\. The app lacks/), remedy: grant },
  ])
  const task = async (taskId: string, app?: string) =>
    (await diagnose(config, { taskId, app })).find(({ name }) => name === `task ${taskId}`)
  expect(await task('1')).toMatchObject({ ok: false, detail: expect.stringContaining('60011 no permission'), remedy: grant })
  expect(await task('4', 'hr')).toMatchObject({
    ok: false,
    detail: expect.stringContaining('quota'),
    remedy: expect.stringContaining('resume --app'),
  })
  expect(await task('5')).toMatchObject({ ok: true, detail: 'cancelled: Tracking was ended on request.' })
  expect(await task('404')).toMatchObject({ ok: true, detail: expect.stringContaining('npx dingtalk-delivery track') })
  await execute(database.url, 'UPDATE delivery_task SET problem_code = NULL, delay_code = NULL')
  expect(await task('1')).toMatchObject({ ok: true, detail: expect.stringMatching(/^tracked, the next poll is due at /) })
  await execute(database.url, "SELECT track_delivery(task_id => '1', app => 'it')")
  expect(await task('1')).toMatchObject({ ok: false, detail: expect.stringContaining('hr, it'), remedy: expect.stringContaining('--app') })
})

test.concurrent('a user who may not do what a worker does is told which rights to grant', async ({ onTestFinished }) => {
  const database = await createTestDatabase({ migrated: true })
  onTestFinished(() => database.drop())
  const role = `reader_${Math.random().toString(36).slice(2)}`
  await execute(
    database.url,
    `CREATE ROLE ${role} LOGIN PASSWORD 'x'`,
    `GRANT USAGE ON SCHEMA dingtalk TO ${role}; GRANT SELECT ON ALL TABLES IN SCHEMA dingtalk TO ${role}`,
  )
  onTestFinished(() => execute(database.url, `DROP OWNED BY ${role}`, `DROP ROLE ${role}`))
  const url = new URL(database.url)
  url.username = role
  url.password = 'x'
  const rights = (await diagnose(parseConfig({ DATABASE_URL: url.href }))).find(({ name }) => name === 'rights')
  expect(rights).toMatchObject({
    ok: false,
    detail: expect.stringContaining('INSERT on delivery_app'),
    remedy: expect.stringMatching(/^Run deploy/),
  })
  expect(rights?.detail).not.toContain('SELECT')
})

test.concurrent('servers that say nothing are told within ten seconds, each once', async ({ onTestFinished }) => {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  const silent = await startProxy(Number(new URL(database.url).port))
  onTestFinished(() => silent.close())
  await silent.mode('blackhole')
  const through = (scheme: string): string => `${scheme}://postgres@127.0.0.1:${silent.port}/0`
  const startedMs = performance.now()
  const host = `http://127.0.0.1:${silent.port}`
  const app = { DINGTALK_APP_KEY: 'key', DINGTALK_APP_SECRET: 'secret', DINGTALK_OAPI_URL: host, DINGTALK_API_URL: host }
  const wrong = await diagnose(parseConfig({ DATABASE_URL: through('postgres'), QUEUE_URL: through('redis'), ...app }))
  expect(performance.now() - startedMs).toBeLessThan(12_000)
  expect(wrong.map(({ name, ok }) => [name, ok])).toEqual([
    ['database', false],
    ['queue', false],
    ['credentials of "default"', false],
  ])
  expect(wrong.at(-1)?.detail).toMatch(/^TIMEOUT accessToken: http:/)
})
