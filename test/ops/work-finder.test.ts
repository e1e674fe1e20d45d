import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { startWorkFinder } from '../../src/app/work-finder.ts'
import { createDatabaseClock } from '../../src/ops/clock.ts'
import { type Database, openDatabase } from '../../src/store/prisma.ts'
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts'
import { urlAs } from '../support/roles.ts'
import { until } from '../support/wait.ts'

let created: TestDatabase
let database: Database
beforeAll(async () => {
  created = await createTestDatabase({ migrated: true })
  database = openDatabase(urlAs('worker', created.url))
})
afterAll(async () => {
  await database.close()
  await created.drop()
})
beforeEach(async () => {
  await database.pool.query('DELETE FROM delivery_task')
  await database.pool.query('DELETE FROM delivery_campaign_change')
  await database.pool.query('DELETE FROM delivery_task_end')
})

const OFTEN = { scheduleEveryMs: 20, restEveryMs: 20 }

function aFinder(timing = OFTEN, asked = database) {
  const told = { unscheduled: 0, uncounted: 0, errors: [] as unknown[] }
  const clock = createDatabaseClock(asked.pool)
  const observed = vi.spyOn(clock, 'observe')
  const finder = startWorkFinder({
    ...{ database: asked, clock, timing },
    onUnscheduled: () => void told.unscheduled++,
    onUncounted: () => void told.uncounted++,
    onError: (error) => void told.errors.push(error),
  })
  onTestFinished(() => finder.stop())
  const answers = (count: number) => until(() => observed.mock.calls.length > count, { what: `${count} answers have come` })
  return { told, finder, clock, answers }
}

const track = (campaign: string | null = null) =>
  database.pool.query("SELECT track_delivery(task_id => '1', user_ids => ARRAY['a'], campaign => $1)", [campaign])
const setDue = (interval: string) =>
  database.pool.query('UPDATE delivery_task SET scheduled_at = now(), next_poll_at = now() - $1::interval', [interval])

test('with nothing to do it tells nothing, rules out polls, and measures the clock', async () => {
  const { told, finder, clock, answers } = aFinder()
  expect([finder.mayBeOverdue(), clock.differenceMs()]).toEqual([true, null])
  await answers(2)
  expect(told).toEqual({ unscheduled: 0, uncounted: 0, errors: [] })
  expect([finder.mayBeOverdue(), typeof clock.differenceMs()]).toEqual([false, 'number'])
})

test('a task that comes through SQL is found until it is scheduled, and a changed campaign until it is counted', async () => {
  const { told } = aFinder()
  await track('payroll')
  await until(() => told.unscheduled > 1 && told.uncounted > 1, { what: 'both are found' })
  await setDue('-1 hour')
  await database.pool.query('SELECT delivery_recount_campaigns(10, 10)')
  const { answers, told: later } = aFinder()
  await answers(2)
  expect(later).toEqual({ unscheduled: 0, uncounted: 0, errors: [] })
})

test('a poll may be overdue while a task is open; one that ended is to be counted', async () => {
  await track()
  await setDue('-1 hour')
  const open = aFinder()
  await open.answers(2)
  expect([open.finder.mayBeOverdue(), open.told.uncounted]).toEqual([true, 0])
  await database.pool.query(
    "UPDATE delivery_task SET status = 'cancelled', reason_code = 'cancelled', next_poll_at = NULL, finished_at = now()",
  )
  const ended = aFinder()
  await until(() => ended.told.uncounted > 1, { what: 'the task is found' })
  expect(ended.finder.mayBeOverdue()).toBe(false)
})

test('while there are new tasks, and after a failure, it asks more often', async () => {
  const { told, answers } = aFinder({ ...OFTEN, restEveryMs: 3_600_000 })
  await answers(0)
  await track()
  // At rest it would ask in an hour. A new finder meets the task with its first question.
  const busy = aFinder({ ...OFTEN, restEveryMs: 3_600_000 })
  await busy.answers(3)
  expect(busy.told.unscheduled).toBeGreaterThan(1)
  expect(told.errors).toEqual([])

  const away = openDatabase('postgres://nobody@127.0.0.1:1/none')
  onTestFinished(() => away.close())
  const failing = aFinder({ ...OFTEN, restEveryMs: 3_600_000 }, away)
  await until(() => failing.told.errors.length > 2, { what: 'it has asked again' })
  expect(failing.finder.mayBeOverdue()).toBe(true)
})
