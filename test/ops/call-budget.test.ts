import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { parseConfig } from '../../src/app/config/config.ts'
import { callBudgetCheck, callBudgetFindings, describeCalls } from '../../src/ops/checks/budget.ts'
import { type Database, openDatabase } from '../../src/store/prisma.ts'
import { aForecast } from '../support/call-forecast.ts'
import { createTestDatabase, execute } from '../support/postgres.ts'
import { diagnose } from './support.ts'

const CLOCK = { at: new Date(), shows: new Date('2027-01-15T04:00:00Z'), scale: 1 }
const MONTH = '(SELECT name FROM delivery_call_month(now(), \'{"shows": "2027-01-15T04:00:00Z"}\'))'

let database: Database
/** `hr` has calls left, `it` has none and a task that was refused. */
beforeAll(async () => {
  const created = await createTestDatabase({ migrated: true })
  database = openDatabase(created.url)
  await execute(
    created.url,
    `INSERT INTO delivery_app (app, calls_month, calls_used) VALUES ('hr', ${MONTH}, 10), ('it', ${MONTH}, 50)`,
    "SELECT track_delivery(task_id => '1', app => 'it')",
    "UPDATE delivery_task SET admitted = false, scheduled_at = now(), poll_offsets = '{86000000}'",
  )
  return async () => {
    await database.close()
    await created.drop()
  }
})

const needs = () => ({ database, timeoutMs: 10_000 })
const budgets = (...given: ReadonlyArray<readonly [string, number]>) => ({ budgets: new Map(given), callClock: CLOCK })

test('calls that are enough are told with their figures', async () => {
  expect(await callBudgetCheck(needs(), budgets(['hr', 100]))).toEqual({
    ...{ name: 'call budget', ok: true },
    detail:
      '10 of 100 calls are used in 2027-01, 0 are reserved for final polls; at the rate of the last 7 days they last until the month ends; 81 more tasks can be served, 0 are to be expected this month',
  })
  expect(await callBudgetCheck(needs(), budgets())).toEqual({ name: 'call budget', ok: true, detail: 'no app has a monthly call budget' })
})

test('of several apps those are told that are threatened, with what to do', async () => {
  const found = await callBudgetCheck(needs(), budgets(['hr', 100], ['it', 50]))
  expect(found).toMatchObject({ ok: true, warning: true, remedy: expect.stringMatching(/^Raise MONTHLY_CALL_BUDGET.* resume --app .*\.$/) })
  expect(found.detail).toMatch(/^it: 1 open tasks have no call for their final poll; 50 of 50 calls/)
})

test('each app has a line of its own in doctor', async () => {
  expect(await callBudgetFindings(needs(), budgets(['hr', 100], ['it', 50]))).toEqual([
    { name: 'call budget of "hr"', ok: true, detail: expect.stringContaining('10 of 100 calls') },
    { name: 'call budget of "it"', ok: true, warning: true, detail: expect.stringContaining('1 open tasks'), remedy: expect.any(String) },
  ])
})

test.each([
  ['tasks_refused', /resume --app/],
  ['none_left', /Until then a new task/],
  ['tasks_beyond', /up to 100 recipients/],
  ['used_up_early', /POLLS_PER_TASK, or a larger TARGET_WIDTH/],
] as const)('%s has its own remedy', (warning, remedy) => {
  const { remedy: told } = describeCalls(aForecast({ warning }))
  expect(told).toMatch(remedy)
  expect(told).toMatch(/^Raise MONTHLY_CALL_BUDGET, or lower CALLS_USED_ELSEWHERE/)
})

test('calls that end early are told with the time', () => {
  const usedUpAt = new Date('2026-11-24T08:00:00Z')
  expect(describeCalls(aForecast({ usedUpAt })).detail).toContain('they are used up at 2026-11-24T08:00:00.000Z')
})

test('doctor reads the budget of the configuration, and says what a refused task waits for', async () => {
  const created = await createTestDatabase({ migrated: true })
  onTestFinished(() => created.drop())
  await execute(
    created.url,
    "SELECT track_delivery(task_id => '1')",
    "UPDATE delivery_task SET admitted = false, scheduled_at = now(), poll_offsets = '{86000000}'",
  )
  const config = parseConfig({ DATABASE_URL: created.url, MONTHLY_CALL_BUDGET: '5000', CALLS_USED_ELSEWHERE: '20%' })
  const found = await diagnose(config, { taskId: '1' })
  expect(found.find(({ name }) => name === 'call budget of "default"')).toMatchObject({
    ...{ ok: false, warning: true },
    detail: expect.stringContaining('0 of 4000 calls'),
  })
  expect(found.find(({ name }) => name === 'task 1')).toMatchObject({
    ...{ ok: false, warning: true, remedy: 'Raise MONTHLY_CALL_BUDGET, restart the workers, and resume the task.' },
    detail: expect.stringContaining('no call left for its final poll'),
  })
})
