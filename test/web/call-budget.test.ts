import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { readCallForecasts } from '../../src/store/gauges.ts'
import { aTask, delay } from '../store/support/polls.ts'
import { set } from '../store/support/reader.ts'
import { ask } from './support/ask.ts'
import { openServer, type Served } from './support/server.ts'

/** In the middle of a month: on its last day new tasks have the calls of the next one. */
const CLOCK = { at: new Date(), shows: new Date('2027-01-15T04:00:00Z'), scale: 1 }

/** A server whose app `default` has 4,000 calls a month. */
let served: Served
let close: () => Promise<void>
beforeAll(async () => {
  ;({ served, close } = await openServer({ forecastCalls: () => readCallForecasts(served.database, new Map([['default', 4_000]]), CLOCK) }))
  await aTask(served.store)
})
afterAll(() => close())
beforeEach(() => served.database.pool.query('TRUNCATE delivery_app; DELETE FROM delivery_task WHERE NOT admitted'))

type Language = 'en' | 'zh'

async function pageOf(path: string, language: Language = 'en'): Promise<string> {
  const { status, text } = await ask(served.url, path, { headers: { accept: 'text/html', 'accept-language': language } })
  expect([path, status]).toEqual([path, 200])
  return text.replaceAll(/<[^>]*>/g, ' ').replaceAll(/\s+/g, ' ')
}

/** Calls of this month, and of today and each day before. */
async function called(used: number, byDay: readonly number[]): Promise<void> {
  await served.database.pool.query(
    `INSERT INTO delivery_app (app, calls_month, calls_used, calls_day, calls_by_day)
     SELECT 'default', month.name, $1, month.day, $2 FROM delivery_call_month(now(), $3) AS month`,
    [used, byDay, CLOCK],
  )
}

const forecastOf = async () => {
  const { body } = await ask(served.url, '/v1/apps')
  return body.apps.find(({ app }: { app: string }) => app === 'default')
}

/** A task that came when no call was left. */
async function aRefusedTask() {
  const { key } = await aTask(served.store)
  const detail = { budget: 4_000, used: 3_990, reserved: 10, month: '2026-11' }
  await delay(served.store, key, new Date(Date.now() + 3_600_000), { code: 'call_budget', detail })
  await set({ ...served.database, store: served.store, url: '' }, key, { admitted: false, scheduled_at: new Date() })
  return key
}

describe('the overview', () => {
  test.each([
    [
      'en',
      /100 \/ 4,000 .*3,900 left\. At the rate of the last 7 days the calls last until the month ends\. Enough for 3,545 more tasks this month; \d+ are to be expected/,
    ],
    ['zh', /100 \/ 4,000 .*剩余 3,900 次。 按最近 7 天的速度，调用够用到月底。 ?本月还够 3,545 个任务使用，预计还有 \d+ 个/],
  ] as const)('says in %s how long the calls last, and for how many tasks', async (language, text) => {
    await called(100, [1, 1, 1, 1, 1, 1, 1, 1])
    const page = await pageOf('/', language)
    expect(page).toMatch(text)
    expect(page).not.toMatch(/No call is left|已没有调用/)
  })

  test.each([
    ['en', /Needs attention.*No call is left for another task .*4,000 of 4,000 calls used in .*Raise MONTHLY_CALL_BUDGET/],
    ['zh', /需要关注.*已没有调用可供新任务使用 .*已用 4,000 次，共 4,000 次。.*请调高 MONTHLY_CALL_BUDGET/],
  ] as const)('asks for attention in %s when no call is left', async (language, text) => {
    await called(4_000, [500])
    expect(await pageOf('/', language)).toMatch(text)
  })

  test.each([
    [
      'en',
      /Needs attention.*The calls will be used up before the month ends .*At the rate of the last 7 days the calls last until .*POLLS_PER_TASK, TARGET_WIDTH/,
    ],
    ['zh', /需要关注.*调用次数将在月底前用完 .*按最近 7 天的速度，调用将在 .* 用完。.*POLLS_PER_TASK、TARGET_WIDTH/],
  ] as const)('says in %s until when calls last that are used too fast', async (language, text) => {
    await called(2_000, [2_000])
    const { callForecast } = await forecastOf()
    const days = (new Date(callForecast.usedUpAt).getTime() - Date.now()) / 86_400_000
    expect([Math.round(days), callForecast.warning]).toEqual([1, 'used_up_early'])
    expect(await pageOf('/', language)).toMatch(text)
  })

  test('counts the tasks that got no call', async () => {
    await aRefusedTask()
    await aRefusedTask()
    expect(await pageOf('/')).toMatch(/Open tasks without a call for their final poll: 2 .*Poll now.* plans the refused tasks again/)
  })
})

test('GET /v1/apps has the same figures', async () => {
  await called(100, [1, 1, 1, 1, 1, 1, 1, 1])
  await aRefusedTask()
  expect(await forecastOf()).toMatchObject({
    monthlyCallBudget: 4_000,
    callForecast: { budget: 4_000, used: 100, left: 3_900, usedUpAt: null, endsEarly: false, tasksRefused: 1, warning: 'tasks_refused' },
  })
})

test.each([
  [
    'en',
    /MONTHLY_CALL_BUDGET \(4000 calls\) leaves no call.*had no call left for its final poll.*polled before its deadline if a call is left then.*resume the task/,
  ],
  ['zh', /MONTHLY_CALL_BUDGET（4000 次）已没有可用的调用.*没有可用于最后一次查询的调用.*若截止前还有剩余调用，会查询一次.*恢复该任务/],
] as const)('the page of a task that got no call says in %s what that means, and how it gets one', async (language, text) => {
  const { taskId } = await aRefusedTask()
  expect(await pageOf(`/tasks/${taskId}`, language)).toMatch(text)
})
