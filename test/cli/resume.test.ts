import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TaskKey } from '../../src/domain/delivery.ts'
import type { TrackRequest } from '../../src/intake/track-request.ts'
import { openTestStore, type TestStore } from '../store/support/database.ts'
import { adoptAll, aTask, delay, loaded, lookAt, planBody } from '../store/support/polls.ts'
import { set } from '../store/support/reader.ts'
import { runCommand } from '../support/commands.ts'
import { giveRights, urlAs } from '../support/roles.ts'

let db: TestStore
beforeAll(async () => {
  db = await openTestStore()
  await giveRights(db.url)
})
afterAll(async () => {
  await db.close()
})

const run = (...args: string[]) => runCommand(args, { env: { DATABASE_URL: urlAs('worker', db.url), MONTHLY_CALL_BUDGET: '20' } })
const FAR = new Date(Date.now() + 4 * 3_600_000)

async function refused(
  fields: Partial<TrackRequest> = {},
  body: Readonly<Record<string, unknown>> = { errcode: 41011, errmsg: 'invalid agent' },
): Promise<TaskKey> {
  const { key } = await aTask(db.store, { agentId: '836390886', ...fields })
  await adoptAll(db.store)
  await db.store.apply(planBody(await loaded(db.store, key), body, 5))
  await set(db, key, { next_poll_at: FAR })
  return key
}

async function outOfBudget(fields: Partial<TrackRequest> = {}): Promise<TaskKey> {
  const { key } = await aTask(db.store, fields)
  await adoptAll(db.store)
  await delay(db.store, key, FAR, { code: 'call_budget', detail: { budget: 20, used: 15, reserved: 5, month: '2026-11' } })
  return key
}

const isDue = async ({ app, taskId }: TaskKey): Promise<boolean> =>
  (await db.pool.query('SELECT FROM delivery_task WHERE app = $1 AND task_id = $2 AND next_poll_at <= clock_timestamp()', [app, taskId]))
    .rowCount === 1

describe('resume', () => {
  test('polls a task at once', async () => {
    const key = await refused()
    expect(await run('resume', key.taskId)).toMatchObject({ code: 0, stdout: 'resumed; it is polled now\n', stderr: '' })
    expect(await isDue(key)).toBe(true)
  })

  test('says where the call budget keeps it back', async () => {
    const key = await outOfBudget()
    const { code, stdout } = await run('resume', key.taskId)
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(/^resumed; it was delayed by MONTHLY_CALL_BUDGET, which resume does not lift/),
    ])
    expect(JSON.parse((await run('resume', (await outOfBudget()).taskId, '--json')).stdout)).toMatchObject({
      isWithoutBudget: true,
      status: 'tracking',
    })
  })

  test('lifts the pauses of an app, and polls its delayed tasks', async () => {
    const keys = [await refused({ app: 'hr' }), await refused({ app: 'hr' }), await outOfBudget({ app: 'hr' })]
    await db.pool.query("UPDATE delivery_app SET pause_code = 'quota', paused_until = $1 WHERE app = 'hr'", [FAR])
    const { code, stdout } = await run('resume', '--app', 'hr')
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(/^resumed app hr; 3 tasks are polled now\n1 of them was delayed by MONTHLY_CALL_BUDGET/),
    ])
    for (const key of keys) expect(await isDue(key)).toBe(true)
    expect((await db.pool.query("SELECT FROM delivery_app WHERE app = 'hr' AND pause_code IS NOT NULL")).rowCount).toBe(0)
    expect(JSON.parse((await run('resume', '--app', 'hr', '--json')).stdout)).toEqual({ app: 'hr', tasks: 2, tasksWithoutBudget: 0 })
  })

  test('polls the one task that is meant where several apps have it', async () => {
    const keys = [await refused({ taskId: '7', app: 'a' }), await refused({ taskId: '7', app: 'b' })]
    expect(await run('resume', '7')).toMatchObject({ code: 1, stderr: expect.stringMatching(/Several apps have task 7: a, b\..*--app/) })
    expect(await run('resume', '7', '--app', 'b')).toMatchObject({ code: 0 })
    expect(await Promise.all(keys.map(isDue))).toEqual([false, true])
  })

  test('refuses what has ended, with why and when, and what is not there', async () => {
    const { key } = await aTask(db.store, { userIds: ['ann'] })
    await lookAt(db.store, key, { read: ['ann'] }, 5)
    const ended = await run('resume', key.taskId)
    expect([ended.code, ended.stderr]).toEqual([
      1,
      expect.stringMatching(/^error: Task \d+ has ended already \(complete\) at \d{4}-.*Every recipient has read\./),
    ])
    expect(await run('resume', '404')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('"npx dingtalk-delivery track" starts it'),
    })
    expect(await run('resume', '--app', 'nobody')).toMatchObject({ code: 1, stderr: expect.stringMatching(/"nobody".*Known: .*hr/) })
  })

  test.each([
    [[], 2, /Give a task id, or --app/],
    [['x'], 1, /taskId must be/],
    [['--app', 'a b'], 1, /app must be/],
    [['1', '2'], 2, /too many arguments/],
  ])('%j is wrong usage or input', async (args, code, stderr) => {
    expect(await run('resume', ...args)).toMatchObject({ code, stderr: expect.stringMatching(stderr) })
  })

  test('explains itself', async () => {
    const { stdout } = await run('resume', '--help')
    expect(stdout).toMatch(/MAX_CALLS_PER_SECOND and MONTHLY_CALL_BUDGET are not lifted/)
    expect((await run('--help')).stdout).toMatch(/^ {2}resume /m)
  })
})

describe('show', () => {
  test('tells a problem: what, since when, what was answered, what to do', async () => {
    const { taskId } = await refused({}, { errcode: 88, sub_code: '60020', errmsg: 'x', sub_msg: 'request ip=203.0.113.7 denied' })
    const { stdout } = await run('show', taskId)
    expect(stdout).toMatch(/^Problem +DingTalk does not allow calls from 203\.0\.113\.7\.\n +since \d{4}-.*\n +DingTalk answered: 60020 /m)
    expect(stdout.replaceAll(/\s+/g, ' ')).toContain("Add 203.0.113.7 to the app's IP allow-list")
    expect(JSON.parse((await run('show', taskId, '--json')).stdout)).toMatchObject({
      problemCode: 'ip_not_allowed',
      problemDetail: { ip: '203.0.113.7' },
    })
  })

  test('tells a delay', async () => {
    const { taskId } = await outOfBudget()
    expect((await run('show', taskId)).stdout.replaceAll(/\s+/g, ' ')).toContain(
      'Delayed MONTHLY_CALL_BUDGET (20 calls) leaves no call for it in 2026-11: 15 are used, 5 are reserved for final polls.',
    )
  })

  test('tells an end in words, with times as the reader has them', async () => {
    const { key } = await aTask(db.store)
    const detail = JSON.stringify({ lastObservedAt: '2026-11-23T10:00:00Z', because: { problem: { code: 'quota', detail: {} } } })
    await set(db, key, {
      status: 'expired',
      next_poll_at: null,
      finished_at: new Date(),
      reason_code: 'blind_before_deadline',
      reason_detail: detail,
    })
    const text = (await run('show', key.taskId)).stdout.replaceAll(/\s+/g, ' ')
    expect(text).toMatch(
      /Reason Nothing is known about the time between the last successful poll \(2026-11-23 \d\d:00:00 [+-]\d\d:\d\d\).*monthly quota of calls is used up/,
    )
  })

  test('tells an assumed send time, and what it means for the time to read', async () => {
    const { key } = await aTask(db.store, { userIds: ['ann', 'bob'] })
    await set(db, key, { sent_at_given: false })
    await lookAt(db.store, key, { read: ['ann'], unread: ['bob'] }, 5)
    const text = (await run('show', key.taskId)).stdout.replaceAll(/\s+/g, ' ')
    expect(text).toContain('(assumed: the time of the enqueue, since the send time was not given)')
    expect(text).toContain('after the send or enqueue')
    expect(text).toContain('(the send time of 1 task was not given')
    const json: unknown = JSON.parse((await run('show', key.taskId, '--json')).stdout)
    expect(json).toMatchObject({ sentAtGiven: false, timeToRead: { assumedSendTimes: 1 } })
  })
})

describe('unread', () => {
  test('is as of the poll that listed the person, and of all as of the earliest', async () => {
    const { key } = await aTask(db.store, { userIds: ['ann', 'bob'], campaign: 'left-out' })
    await lookAt(db.store, key, { unread: ['ann', 'bob'] }, 5)
    const [before] = [(await run('unread', key.taskId)).stdout]
    const asOf = (text: string): string | undefined => /2 unread of 2 delivered, as of ([\d: +-]+)\./.exec(text)?.[1]
    await lookAt(db.store, key, { unread: ['bob'] }, 50)
    for (const args of [[key.taskId], ['--campaign', 'left-out']]) expect(asOf((await run('unread', ...args)).stdout)).toBe(asOf(before))
    expect(asOf(before)).toBeDefined()
    const shown = /^Unread +2 as of ([\d: +-]+):/m
    expect(shown.exec((await run('show', key.taskId)).stdout)?.[1]).toBe(asOf(before))
    expect(shown.exec((await run('report', '--campaign', 'left-out')).stdout)?.[1]).toBe(asOf(before))
  })
})

test('exports of tasks have the columns of problems, details as JSON', async () => {
  const { taskId } = await refused({ campaign: 'exported' })
  const { stdout } = await run('report', '--campaign', 'exported', '--by', 'task', '--format', 'csv')
  const [head = '', row = ''] = stdout.split('\r\n')
  expect(head).toMatch(/,reason_code,reason_detail,problem_code,problem_detail,problem_since,sent_at_given,calls$/)
  expect(row).toContain(`,${taskId},`)
  expect(row).toMatch(/,agent_id,"\{.*""said"": ?""41011"".*\}",\d{4}-[^,]*,true,1$/)
})
