import { Client } from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { parseConfig } from '../../src/app/config/config.ts'
import { createTracker } from '../../src/index.ts'
import { until } from '../support/wait.ts'
import { aRunningWorker, diagnose } from './support.ts'

const TASKS = 60

test('a worker with its queue in PostgreSQL opens six connections at most while it polls, as doctor says', async () => {
  const { databaseUrl, server } = await aRunningWorker()
  const client = new Client({ connectionString: databaseUrl })
  await client.connect()
  onTestFinished(() => client.end())
  const tracker = createTracker({ databaseUrl, connections: 1 })
  onTestFinished(() => tracker.close())
  const sends = Array.from({ length: TASKS }, (_, i) => ({
    taskId: String(256_271_667_526 + i),
    agentId: '836390886',
    userIds: ['ann'],
    sentAt: Date.now(),
  }))
  for (const { taskId, agentId, sentAt } of sends)
    server.add({ taskId, agentId, sentAt, windowMs: 60_000, people: [{ userId: 'ann', fate: 'delivered', listedAt: 0, readAt: null }] })
  await until(() => tracker.trackMany(sends), { what: 'the tasks are taken' })
  let most = 0
  const areAllPolled = async () => {
    const { rows } = await client.query<{ open: number }>(OPEN)
    most = Math.max(most, rows[0]?.open ?? 0)
    return [...server.tasks.keys()].every((id) => (server.calls.get(id) ?? 0) > 0)
  }
  await until(areAllPolled, { timeoutMs: 120_000, what: 'all are polled' })
  expect(most).toBeGreaterThan(2)
  expect(most).toBeLessThanOrEqual(6)
  const found = (await diagnose(parseConfig({ DATABASE_URL: databaseUrl }))).find(({ name }) => name === 'connections')
  expect(found).toMatchObject({
    ok: true,
    detail: expect.stringMatching(
      /^a worker opens 6 at most \(3 for the database, 3 for the queue\), serve 12, start 18; \d+ of \d+ are free$/,
    ),
  })
}, 240_000)

const OPEN = `SELECT count(*)::integer AS open FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name <> 'dingtalk-delivery sender' AND backend_type = 'client backend'`
