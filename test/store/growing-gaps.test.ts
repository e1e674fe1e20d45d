import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseConfig } from '../../src/app/config/config.ts'
import { createPlanner } from '../../src/app/planner.ts'
import { workerTiming } from '../../src/app/settings.ts'
import { MINUTE_MS } from '../../src/domain/delivery.ts'
import { pollTimes } from '../../src/domain/poll-times.ts'
import { createLaws } from '../../src/store/laws.ts'
import { openTestStore, type TestStore } from './support/database.ts'

const SENT = new Date('2026-11-24T02:00:00Z')
const now = (): Date => new Date(SENT.getTime() + 1_000)

/** Minutes after the send at which version 0.1.0 polled a task of the app `default`, as its own code gave them; the final poll last. */
const OF_0_1_0 = [
  { polls: 1, taskId: '256271667526', minutes: [1433.72] },
  { polls: 8, taskId: '256271667526', minutes: [2.89, 9.4, 23.82, 55.77, 126.53, 283.26, 630.4, 1433.72] },
  { polls: 8, taskId: '9007199254740993123', minutes: [2.83, 9.28, 23.54, 55.15, 125.16, 280.21, 623.66, 1433.05] },
  {
    ...{ polls: 24, taskId: '256271667526' },
    minutes: [
      ...[2.89, 6.5, 10.89, 16.2, 22.65, 30.46, 39.94, 51.44, 65.37, 82.27, 102.77, 127.62, 157.75, 194.3, 238.61, 292.35, 357.51, 436.53],
      ...[532.35, 648.54, 789.45, 960.31, 1167.5, 1433.72],
    ],
  },
  {
    ...{ polls: 24, taskId: '9007199254740993123' },
    minutes: [
      ...[2.83, 6.44, 10.8, 16.1, 22.53, 30.31, 39.76, 51.22, 65.11, 81.95, 102.37, 127.14, 157.18, 193.6, 237.76, 291.32, 356.26, 435.02],
      ...[530.51, 646.32, 786.75, 957.04, 1163.54, 1433.05],
    ],
  },
]

let db: TestStore
beforeAll(async () => {
  db = await openTestStore()
})
afterAll(() => db.close())

/** A worker with these variables schedules the task of the app `default` with this id, which is then read and forgotten. */
async function planOf(taskId: string, variables: Readonly<Record<string, string>>) {
  const config = parseConfig({ DATABASE_URL: 'postgres://localhost/unused', SCHEDULE: 'growing', ...variables })
  const { timing } = workerTiming(config)
  const key = { app: 'default', taskId }
  const failures: unknown[] = []
  const planner = createPlanner(config, {
    ...{ database: db, laws: createLaws(db), timing, now, limitsOf: () => ({ monthlyBudget: config.monthlyCallBudget }) },
    events: { failed: ({ error }) => void failures.push(error) },
  })
  await db.store.track([{ ...key, agentId: null, campaign: null, sentAt: SENT, userIds: ['0123', '0456'] }])
  await db.store.schedule((task) => planner.plan(task), 10)
  expect(failures).toEqual([])
  const task = await db.store.load(key)
  await db.pool.query('DELETE FROM delivery_task WHERE task_id = $1', [taskId])
  if (task === null) throw new Error('the task was scheduled')
  return { planned: task.pollOffsetsMs, polled: pollTimes(task, timing).map(({ at }) => at.getTime() - SENT.getTime()) }
}

/** What is in hundredths of a minute was rounded. */
const inHundredths = (offsetsMs: readonly number[] | null): number[] => (offsetsMs ?? []).map((ms) => Math.round((100 * ms) / MINUTE_MS))

test.each(OF_0_1_0)('with SCHEDULE=growing, task $taskId has the $polls polls of version 0.1.0', async ({ polls, taskId, minutes }) => {
  for (const budget of [{}, { MONTHLY_CALL_BUDGET: '4000' }]) {
    const { planned, polled } = await planOf(taskId, { POLLS_PER_TASK: String(polls), ...budget })
    for (const offsets of [planned, polled]) {
      const differences = inHundredths(offsets).map((hundredths, i) => Math.abs(hundredths - Math.round(100 * (minutes[i] ?? 0))))
      expect(differences).toHaveLength(minutes.length)
      // A millisecond can round the other way.
      expect(Math.max(...differences)).toBeLessThanOrEqual(1)
    }
  }
})

test('without POLLS_PER_TASK there are 24, as in version 0.1.0', async () => {
  const { planned } = await planOf('256271667526', {})
  expect(planned).toEqual((await planOf('256271667526', { POLLS_PER_TASK: '24' })).planned)
})
