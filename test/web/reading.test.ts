import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { adoptAll, aTask, loaded, lookAt, planBody } from '../store/support/polls.ts'
import { ask } from './support/ask.ts'
import { openServer, type Served } from './support/server.ts'
import { CAMPAIGN, ENDED, fillWorld, HINDERED, TASK, TWIN } from './support/world.ts'

let served: Served
let close: () => Promise<void>
beforeAll(async () => {
  ;({ served, close } = await openServer({}))
  await fillWorld(served.store)
})
afterAll(() => close())

const get = (path: string) => ask(served.url, path)
const cancel = (taskId: string, query = '') => ask(served.url, `/v1/tasks/${taskId}/cancel${query}`, { method: 'POST' })
const campaign = encodeURIComponent(CAMPAIGN)

describe('what is known', () => {
  test('of a task: its counts and rates, which polls gave', async () => {
    const { body } = await get(`/v1/tasks/${TASK}`)
    expect(body).toMatchObject({ app: 'default', taskId: TASK, campaign: CAMPAIGN, status: 'tracking', polls: 3, goodPolls: 2 })
    expect(body).toMatchObject({ targeted: 6, delivered: 2, read: 1, unread: 1, pending: 1, failed: 1, invalid: 1, forbidden: 1 })
    expect(body).toMatchObject({ readRate: 1 / 2, readRateOfTargeted: 1 / 6 })
  })

  test('of its people: by user id, in one state, and by name', async () => {
    const states = async (query: string) =>
      (await get(`/v1/tasks/${TASK}/recipients${query}`)).body.recipients.map(
        (each: Record<string, string>) => `${each['userId']} ${each['state']}`,
      )
    expect(await states('')).toEqual(['ann read', 'ben unread', 'cai failed', 'dan invalid', 'eve forbidden', 'fay pending'])
    expect(await states('?state=unread')).toEqual(['ben unread'])
    expect(await states('?search=A&state=failed')).toEqual(['cai failed'])
  })

  test('of one person: what each poll said', async () => {
    const { body } = await get(`/v1/tasks/${TASK}/people/ann`)
    expect(body.polls.map((each: Record<string, unknown>) => [each['outcome'], each['state'], each['isChange']])).toEqual([
      ['observed', 'unread', true],
      ['transient', 'unread', false],
      ['observed', 'read', true],
    ])
    expect((await get(`/v1/tasks/${TASK}/people/nobody`)).body.error).toMatchObject({ code: 'RECIPIENT_NOT_FOUND' })
  })

  test('of what does not go as planned', async () => {
    const { body } = await get('/v1/attention')
    // The others are late: no worker runs here, and they were sent an hour ago.
    const risks = new Map(body.tasks.map((each: Record<string, string>) => [each['taskId'], each['risk']]))
    expect(risks.get(HINDERED)).toMatch(/^(overdue|delayed)$/)
    expect([risks.get(TASK), risks.has(ENDED)]).toEqual(['overdue', false])
  })

  test('of a name with slashes, percent signs and Chinese, and of none', async () => {
    expect((await get(`/v1/campaigns/${campaign}`)).body).toMatchObject({ campaign: CAMPAIGN, targeted: 6 })
    for (const name of ['a/b', '%2F', '?x#y', '+ +', 'a&b=c', '😀'.repeat(100)]) {
      const { status, body } = await get(`/v1/campaigns/${encodeURIComponent(name)}`)
      expect([name, status, body.error]).toEqual([
        name,
        404,
        { code: 'CAMPAIGN_NOT_FOUND', message: expect.stringContaining(JSON.stringify(name)) },
      ])
    }
  })

  test('of two apps at once is not said, but which they are', async () => {
    for (const path of [`/v1/tasks/${TWIN}`, '/v1/campaigns/twin']) {
      const { status, body } = await get(path)
      expect([status, body.error]).toEqual([
        409,
        { code: 'SEVERAL_APPS', message: expect.stringMatching(/: default, hr\. Add \?app= with its name\.$/) },
      ])
      expect((await get(`${path}?app=hr`)).body).toMatchObject({ app: 'hr' })
    }
  })
})

describe('a value that is none', () => {
  test.each([
    ['/v1/tasks?status=open', 'status', 'status must be one of tracking, complete, expired, stopped, cancelled, not "open".'],
    ['/v1/tasks?limit=0', 'limit', 'limit must be a whole number from 1 to 1000, not "0".'],
    ['/v1/tasks?limit=1001', 'limit', 'not "1001"'],
    ['/v1/tasks?limit=1e2', 'limit', 'not "1e2"'],
    ['/v1/tasks?taskId=0', 'taskId', 'not "0"'],
    ['/v1/tasks?app=h%20r', 'app', 'not "h r"'],
    ['/v1/tasks?campaign=a%00b', 'campaign', 'not "a\\u0000b"'],
    ['/v1/tasks?campaign=%ff', 'campaign', 'percent-encoded UTF-8'],
    ['/v1/tasks?since=yesterday', 'since', 'since must be an ISO 8601 time with a time zone'],
    ['/v1/tasks?since=2026-11-23T09:00:00', 'since', 'with a time zone'],
    ['/v1/tasks?since=2026-11-23T09:00:00+08:00', 'since', 'write + as %2B'],
    ['/v1/tasks?since=2026-02-30T09:00:00Z', 'since', 'not "2026-02-30'],
    ['/v1/tasks?since=0000-01-01T00:00:00Z', 'since', 'not "0000-01-01'],
    ['/v1/tasks?until=9999-12-31T23:59:59-01:00', 'until', 'not "9999-12-31'],
    [`/v1/tasks/${TASK}/state-at`, 'at', 'at is missing'],
    [`/v1/tasks/${TASK}/state-at?at=0001-01-01T00:00:00%2B01:00`, 'at', 'not "0001-01-01'],
    [`/v1/tasks/${TASK}/recipients?state=gone`, 'state', 'state must be one of pending'],
    [`/v1/tasks/${TASK}/recipients?format=xml`, 'format', 'format must be one of json, csv'],
    [`/v1/tasks/${TASK}/recipients?search=`, 'search', 'search must have 1 to 200 characters'],
    [`/v1/tasks/${TASK}/people/${'x'.repeat(129)}`, 'userId', 'userId must have 1 to 128 characters'],
    ['/v1/tasks/0256271667526', 'taskId', 'without leading zeros'],
    ['/v1/tasks/x%00', 'taskId', 'not "x\\u0000"'],
    [`/v1/campaigns/${'x'.repeat(201)}`, 'name', 'name must have 1 to 200 characters'],
  ])('%s is told with its name, what was given and what is accepted', async (path, field, message) => {
    const { status, body } = await get(path)
    expect([status, body.error]).toEqual([400, { code: 'INVALID_INPUT', field, message: expect.stringContaining(message) }])
  })

  test('times at the ends of the calendar are times', async () => {
    const { status, body } = await get('/v1/tasks?since=0001-01-01T00:00:00Z&until=9999-12-31T23:59:59.999Z&limit=1000')
    expect([status, body.tasks.length]).toEqual([200, 5])
  })
})

describe('page by page', () => {
  beforeAll(async () => {
    const sentAt = new Date(Date.now() - 7_200_000)
    const requests = Array.from({ length: 47 }, (_, i) => ({
      app: 'pages',
      taskId: String(100 + i),
      agentId: null,
      userIds: [`user-${i % 30}`],
      campaign: `wave-${i % 11}`,
      // Many of the same moment, which only the id tells apart.
      sentAt: new Date(sentAt.getTime() + (i % 3) * 1_000),
    }))
    await served.store.track(requests)
  })

  async function walk(path: string, list: string, between: () => Promise<unknown> = async () => undefined) {
    const pages: Array<Array<Readonly<Record<'taskId' | 'sentAt' | 'campaign' | 'userId', string>>>> = []
    let cursor: string | null = null
    do {
      const { status, body } = await get(`${path}${cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`}`)
      expect(status).toBe(200)
      pages.push(body[list])
      cursor = body.nextCursor
      await between()
    } while (cursor !== null)
    return pages
  }

  test('every task comes once, latest sent first', async () => {
    const pages = await walk('/v1/tasks?app=pages&limit=7', 'tasks')
    const tasks = pages.flat()
    expect(pages.map(({ length }) => length)).toEqual([7, 7, 7, 7, 7, 7, 5])
    expect(new Set(tasks.map((task) => task.taskId)).size).toBe(47)
    expect(tasks.map((task) => task.sentAt)).toEqual(
      tasks
        .map((task) => task.sentAt)
        .toSorted()
        .reverse(),
    )
    expect(await get('/v1/tasks?app=pages&limit=47')).toMatchObject({ body: { tasks, nextCursor: null } })
  })

  test('what comes in meanwhile moves nothing', async () => {
    let next = 1_000
    const pages = await walk('/v1/tasks?app=pages&limit=10', 'tasks', () =>
      aTask(served.store, { app: 'pages', taskId: String(next++), sentAt: new Date() }),
    )
    const old = pages.flat().filter((task) => Number(task.taskId) < 1_000)
    expect(new Set(old.map((task) => task.taskId)).size).toBe(47)
    expect(pages.flat()).toHaveLength(47)
  })

  test('every campaign and every person comes once', async () => {
    const campaigns = (await walk('/v1/campaigns?app=pages&limit=4', 'campaigns')).flat().map((each) => each.campaign)
    expect(campaigns.toSorted()).toEqual(Array.from({ length: 11 }, (_, i) => `wave-${i}`).toSorted())
    const people = (await walk(`/v1/campaigns/wave-0/recipients?app=pages&limit=2`, 'recipients')).flat().map((each) => each.userId)
    expect(people).toEqual([...new Set(people)].toSorted())
    expect(people).toHaveLength(5)
  })

  test('a cursor of nothing, of another list or of somebody who plays is refused', async () => {
    const { body } = await get('/v1/campaigns?app=pages&limit=1')
    const forged = (...keys: readonly unknown[]): string => Buffer.from(JSON.stringify(keys)).toString('base64url')
    for (const cursor of [
      'x',
      'a b',
      '%00',
      'x'.repeat(3_000),
      body.nextCursor,
      forged(),
      forged('tasks'),
      forged('tasks', 1, 2, 3),
      forged('tasks', "'; DROP TABLE delivery_task; --", 'a', '1'),
      forged('tasks', '2026-11-23T01:00:00.000Z', 'a\0', '1'),
      forged('tasks', '2026-13-23T01:00:00.000Z', 'a', '1'),
    ]) {
      const answer = await get(`/v1/tasks?cursor=${encodeURIComponent(cursor)}`)
      expect([cursor, answer.status, answer.body.error]).toMatchObject([cursor, 400, { code: 'INVALID_INPUT', field: 'cursor' }])
    }
  })
})

describe('cancelling', () => {
  test('ends a task, once, and keeps what is known', async () => {
    const { key } = await aTask(served.store, { userIds: ['ann', 'ben'] })
    await lookAt(served.store, key, { read: ['ann'] }, 5)
    const first = await cancel(key.taskId)
    expect([first.status, first.body]).toEqual([
      200,
      expect.objectContaining({ status: 'cancelled', nextPollAt: null, read: 1, pending: 1 }),
    ])
    expect(await cancel(key.taskId)).toMatchObject({ status: 200, body: first.body })
    expect(await get(`/v1/tasks/${key.taskId}`)).toMatchObject({ body: first.body })
  })

  test('does not end what has ended', async () => {
    const { status, body } = await cancel(ENDED)
    expect([status, body.error]).toEqual([
      409,
      { code: 'TASK_ENDED', message: expect.stringMatching(/\(complete\) at \d{4}-.*Only a task that is tracked can be cancelled\.$/) },
    ])
  })

  test('wants to know which of several', async () => {
    expect((await cancel(TWIN)).body.error).toMatchObject({ code: 'SEVERAL_APPS' })
    expect((await cancel(TWIN, '?app=hr')).body).toMatchObject({ app: 'hr', status: 'cancelled' })
    expect((await get(`/v1/tasks/${TWIN}?app=default`)).body).toMatchObject({ status: 'tracking' })
  })

  test('refuses a body, which nobody would heed', async () => {
    const { key } = await aTask(served.store)
    const init = (body: string): RequestInit => ({ method: 'POST', headers: { 'content-type': 'application/json' }, body })
    const path = `/v1/tasks/${key.taskId}/cancel`
    expect((await ask(served.url, path, init('{"app":"hr"}'))).body.error).toMatchObject({
      field: 'body',
      message: expect.stringContaining('?app='),
    })
    expect((await get(`/v1/tasks/${key.taskId}`)).body).toMatchObject({ status: 'tracking' })
    expect((await ask(served.url, path, init('{}'))).status).toBe(200)
  })
})

test('where names were removed because of their age, the answers and both languages of the dashboard say so', async () => {
  const { key } = await aTask(served.store, { campaign: 'long ago', userIds: ['gone'] })
  await lookAt(served.store, key, { read: ['gone'] }, 5)
  await served.database.pool.query("SELECT delivery_remove_names(now() + interval '1 minute', 50)")
  expect((await get(`/v1/tasks/${key.taskId}`)).body.namesRemovedAt).toMatch(/Z$/)
  expect((await get('/v1/campaigns/long%20ago')).body).toMatchObject({ targeted: 1, read: 1, namesRemovedAt: expect.stringMatching(/Z$/) })
  const page = (language: string) => ask(served.url, `/tasks/${key.taskId}?state=all`, { headers: { 'accept-language': language } })
  expect((await page('en')).text).toMatch(/The user ids were replaced by pseudonyms on .*The figures stay/s)
  expect((await page('zh-CN')).text).toContain('统计数字保持不变')
  expect((await page('en')).text).not.toContain('gone')
  expect((await get(`/tasks/${TASK}`)).text).not.toContain('replaced by pseudonyms')
})

describe('resuming', () => {
  const resume = (path: string, init: RequestInit = {}) => ask(served.url, `/v1/${path}/resume`, { method: 'POST', ...init })
  const refused = async (fields: Parameters<typeof aTask>[1] = {}) => {
    const { key } = await aTask(served.store, { agentId: '836390886', ...fields })
    await adoptAll(served.store)
    await served.store.apply(planBody(await loaded(served.store, key), { errcode: 41011, errmsg: 'invalid agent' }, 5))
    await served.database.pool.query("UPDATE delivery_task SET next_poll_at = now() + interval '4 hours' WHERE task_id = $1", [key.taskId])
    return key
  }
  const isDue = (body: { readonly nextPollAt: string }): boolean => Date.parse(body.nextPollAt) <= Date.now() + 60_000

  test('a task is polled at once; what is wrong with it is told until a poll succeeds', async () => {
    const { taskId } = await refused()
    const before = (await get(`/v1/tasks/${taskId}`)).body
    expect(before).toMatchObject({
      ...{ status: 'tracking', problemCode: 'agent_id', calls: 1, sentAtGiven: true, reasonCode: null },
      problemDetail: { said: '41011', message: 'invalid agent', agentId: '836390886', scope: 'pair' },
    })
    expect(isDue(before)).toBe(false)
    const { status, body } = await resume(`tasks/${taskId}`)
    expect([status, body]).toEqual([
      200,
      expect.objectContaining({ taskId, problemCode: 'agent_id', delayCode: null, isWithoutBudget: false }),
    ])
    expect(isDue(body)).toBe(true)
  })

  test('a task that has ended is refused with why and when, as is one of several apps and one that is not there', async () => {
    expect(await resume(`tasks/${ENDED}`)).toMatchObject({
      status: 409,
      body: { error: { code: 'TASK_ENDED', message: expect.stringMatching(/\(complete\) at \d{4}-.*Every recipient has read/) } },
    })
    expect(await resume(`tasks/${TWIN}`)).toMatchObject({ status: 409, body: { error: { code: 'SEVERAL_APPS' } } })
    expect(await resume('tasks/404')).toMatchObject({ status: 404, body: { error: { code: 'TASK_NOT_FOUND' } } })
    expect(await resume('tasks/x')).toMatchObject({ status: 400, body: { error: { code: 'INVALID_INPUT', field: 'taskId' } } })
  })

  test('an app loses its pauses, which are told with it, and its delayed tasks are polled at once', async () => {
    await refused({ app: 'resumed' })
    const { taskId } = await refused({ app: 'resumed' })
    const paused = "pause_code, pause_detail, pause_since, paused_until) VALUES ('resumed', "
    const values = `'quota', '{"said": "90020", "message": "used up"}', now(), now() + interval '1 hour')`
    await served.database.pool.query(`INSERT INTO delivery_app (app, ${paused} ${values}`)
    await served.database.pool.query(`INSERT INTO delivery_pair (app, agent_id, ${paused} '836390886', ${values}`)
    const one = async () => (await get('/v1/apps')).body.apps.find(({ app }: { readonly app: string }) => app === 'resumed')
    const pause = { pauseCode: 'quota', pauseDetail: { said: '90020', message: 'used up' }, pausedUntil: expect.any(String) }
    expect(await one()).toMatchObject({ ...pause, pauseKind: 'quota', tasksWithProblem: 2, pairs: [{ agentId: '836390886', ...pause }] })
    expect(await resume('apps/resumed')).toMatchObject({ status: 200, body: { app: 'resumed', tasks: 2, tasksWithoutBudget: 0 } })
    expect(await one()).toMatchObject({ pauseCode: null, pausedUntil: null, pairs: [{ pauseCode: null }] })
    expect(isDue((await get(`/v1/tasks/${taskId}?app=resumed`)).body)).toBe(true)
  })

  test('an app that has nothing is refused with those that have', async () => {
    const { status, body } = await resume('apps/nobody')
    expect([status, body.error]).toEqual([404, { code: 'APP_NOT_FOUND', message: expect.stringMatching(/"nobody".*default/) }])
    expect(await resume('apps/a%20b')).toMatchObject({ status: 400, body: { error: { code: 'INVALID_INPUT', field: 'app' } } })
  })

  test.each(['tasks/1', 'apps/default'])('of %s takes no body, and no page of another site may ask for it', async (path) => {
    const headers = { 'content-type': 'application/json' }
    expect(await resume(path, { headers, body: '{"app":"hr"}' })).toMatchObject({ status: 400, body: { error: { field: 'body' } } })
    expect(await resume(path, { headers: { origin: 'https://evil.example' } })).toMatchObject({
      status: 403,
      body: { error: { code: 'CROSS_ORIGIN' } },
    })
  })
})
