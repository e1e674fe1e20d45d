import { expect, onTestFinished, test } from 'vitest'
import { createTracker } from '../../src/index.ts'
import { createLogger } from '../../src/ops/logger.ts'
import { migrateQueueSchema } from '../../src/queue/schema.ts'
import { openDatabase } from '../../src/store/prisma.ts'
import { createWorker } from '../../src/worker.ts'
import { createTestDatabase } from '../support/postgres.ts'
import { until } from '../support/wait.ts'

test('a worker keeps figures of campaigns and ended tasks, and reports and repairs those that are wrong', async () => {
  const { url, drop } = await createTestDatabase({ migrated: true })
  onTestFinished(() => drop())
  await migrateQueueSchema(url, ['dingtalk-delivery'])
  const database = openDatabase(url)
  onTestFinished(() => database.close())
  const tracker = createTracker({ databaseUrl: url })
  onTestFinished(() => tracker.close())
  await tracker.track({ taskId: '7', campaign: 'payroll', userIds: ['ann', 'bob'] })
  await database.pool.query(`
    UPDATE delivery_task SET status = 'cancelled', next_poll_at = NULL, finished_at = now();
    SELECT delivery_recount_campaigns(10, 60);
    UPDATE delivery_campaign SET pending = 9, checked_at = now() - interval '21 hours'`)

  const lines: string[] = []
  const logger = createLogger({ level: 'warn', pretty: false, destination: { write: (line) => void lines.push(line) } })
  // No call is made: the task has ended.
  const apps = [{ credentials: { kind: 'internal', appKey: 'key', appSecret: 'secret', endpoint: 'new' } as const, agentId: '1' }]
  const worker = createWorker({ databaseUrl: url, apps, timeScale: 1_440, shutdownGraceSeconds: 5, logger })
  onTestFinished(() => worker.close())
  const reported = await until(() => lines.find((line) => line.includes('kept figures')), { what: 'the check reports' })
  expect(JSON.parse(reported)).toMatchObject({ level: 'warn', checked: 1, wrongCampaigns: ['payroll'], wrongCounts: 0 })
  const { rows } = await database.pool.query('SELECT pending, open_tasks FROM delivery_campaign_rates')
  expect(rows).toEqual([{ pending: 2, open_tasks: 0 }])
  await until(async () => (await database.pool.query('SELECT FROM delivery_task_brackets')).rowCount === 1, { what: 'brackets are kept' })
  expect((await database.pool.query('SELECT status, tasks FROM delivery_ended_tasks')).rows).toEqual([{ status: 'cancelled', tasks: 1 }])
})
