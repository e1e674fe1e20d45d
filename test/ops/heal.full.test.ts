import { Client } from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { createTracker } from '../../src/index.ts'
import { until } from '../support/wait.ts'
import { aRunningWorker } from './support.ts'

test('a task that was tracked with a wrong agent id and wrong people is repaired by tracking it again', async () => {
  const { databaseUrl, server } = await aRunningWorker()
  const sentAt = new Date()
  const people = [{ userId: 'ann', fate: 'delivered', listedAt: 0, readAt: sentAt.getTime() + 1 }] as const
  server.add({ taskId: '7', agentId: '836390886', sentAt: sentAt.getTime(), windowMs: 60_000, people })
  const tracker = createTracker({ databaseUrl })
  const sql = new Client({ connectionString: databaseUrl })
  onTestFinished(async () => {
    await tracker.close()
    await sql.end()
  })
  await sql.connect()
  const stored = async () => (await sql.query<Record<string, unknown>>('SELECT * FROM delivery_task_rates')).rows[0]

  await tracker.track({ taskId: '7', agentId: '1', userIds: ['nobody'], sentAt })
  await until(async () => (await stored())?.['problem_code'] !== null, { what: 'the agent id was refused' })
  const again = { taskId: '7', agentId: '836390886', userIds: ['ann'], sentAt }
  expect(await tracker.track(again)).toMatchObject({ duplicate: true, conflict: [], updated: ['agentId', 'userIds'] })
  const ended = await until(async () => stored().then((row) => row?.['status'] === 'complete' && row), { what: 'it is complete' })
  expect(ended).toMatchObject({ agent_id: '836390886', targeted: 1, read: 1, problem_code: null, reason_code: 'all_read' })
  expect(await tracker.track({ ...again, agentId: '1' })).toMatchObject({ duplicate: true, conflict: ['agentId'], updated: [] })
})
