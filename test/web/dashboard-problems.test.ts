import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TaskKey } from '../../src/domain/delivery.ts'
import type { TrackRequest } from '../../src/intake/track-request.ts'
import { adoptAll, aTask, delay, loaded, lookAt, minutesLater, planBody } from '../store/support/polls.ts'
import { set } from '../store/support/reader.ts'
import { ask } from './support/ask.ts'
import { aServer, openServer, type Served } from './support/server.ts'

let served: Served
let close: () => Promise<void>
beforeAll(async () => {
  ;({ served, close } = await openServer({}))
})
afterAll(() => close())

type Language = 'en' | 'zh'

/** The text of a page, as a reader has it. */
async function pageOf(path: string, language: Language = 'en'): Promise<string> {
  const { status, text } = await ask(served.url, path, { headers: { accept: 'text/html', 'accept-language': language } })
  expect([path, status]).toEqual([path, 200])
  return textIn(text)
}

function textIn(markup: string): string {
  const entities: Readonly<Record<string, string>> = { '&quot;': '"', '&#39;': "'", '&lt;': '<', '&gt;': '>', '&amp;': '&' }
  const text = markup.replaceAll(/<[^>]*>/g, ' ').replaceAll(/&(?:quot|#39|lt|gt|amp);/g, (entity) => entities[entity] ?? '')
  return text.replaceAll(/\s+/g, ' ')
}

async function refused(body: Readonly<Record<string, unknown>>, fields: Partial<TrackRequest> = {}): Promise<TaskKey> {
  const { key } = await aTask(served.store, { agentId: '836390886', ...fields })
  await adoptAll(served.store)
  await served.store.apply(planBody(await loaded(served.store, key), body, 5))
  await set({ ...served.database, store: served.store, url: '' }, key, { next_poll_at: new Date(Date.now() + 4 * 3_600_000) })
  return key
}

const submit = (path: string, headers: Readonly<Record<string, string>> = {}) =>
  ask(served.url, path, {
    method: 'POST',
    redirect: 'manual',
    headers: { accept: 'text/html', 'content-type': 'application/x-www-form-urlencoded', ...headers },
  })

describe('the page of a task', () => {
  test.each([
    [
      'en',
      /does not accept the agent id 836390886 .*Check the agent id 836390886 .*DingTalk answered: 41011 invalid agent .*concerns all tasks of the app with this agent id · since .*next poll at .*Poll now/,
    ],
    [
      'zh',
      /钉钉不接受此应用使用 agent id 836390886 。.*请核对 agent id 836390886 .*钉钉返回： 41011 invalid agent .*涉及该应用中使用此 agent id 的所有任务 · 始于.*下次查询.*立即查询/,
    ],
  ] as const)('tells in %s what is wrong, what to do, what was answered, since when, and the next probe', async (language, text) => {
    const { taskId } = await refused({ errcode: 41011, errmsg: 'invalid agent' })
    expect(await pageOf(`/tasks/${taskId}`, language)).toMatch(text)
  })

  test('quotes the address that is to be allowed', async () => {
    const { taskId } = await refused({ errcode: 88, sub_code: '60020', errmsg: 'denied', sub_msg: 'request ip=203.0.113.7 not allowed' })
    expect(await pageOf(`/tasks/${taskId}`)).toMatch(/Add 203\.0\.113\.7 to the app's IP allow-list/)
  })

  test('escapes what DingTalk answered', async () => {
    const { taskId } = await refused({ errcode: 99999, errmsg: '<script>alert(1)</script>' })
    const { text } = await ask(served.url, `/tasks/${taskId}`, { headers: { accept: 'text/html' } })
    expect(text).toContain('99999 &lt;script&gt;alert(1)&lt;/script&gt;')
    expect(text).not.toContain('<script>alert')
  })

  test('tells why a poll is later than planned, and that the call budget stays', async () => {
    const { key } = await aTask(served.store)
    const detail = { budget: 5000, used: 4990, reserved: 10, month: '2026-11' }
    await delay(served.store, key, new Date(Date.now() + 3_600_000), { code: 'call_budget', detail })
    expect(await pageOf(`/tasks/${key.taskId}`)).toMatch(
      /later than planned: MONTHLY_CALL_BUDGET \(5000 calls\).*Poll now Polling now does not lift MONTHLY_CALL_BUDGET/,
    )
  })

  test.each([
    [
      'a code of a newer version',
      { problem_code: 'from_the_future', problem_detail: '{"x": 1}', delay_code: 'also_new', delay_detail: null },
      /from_the_future \(a code of a newer version\).*also_new/,
    ],
    [
      'a text of 0.1.0',
      { delay_code: 'earlier_version', delay_detail: '{"text": "the app is paused: <b>"}' },
      /later than planned: the app is paused: <b>/,
    ],
  ])('shows %s as it is', async (_what, columns, text) => {
    const { key } = await aTask(served.store)
    await set({ ...served.database, store: served.store, url: '' }, key, columns)
    expect(await pageOf(`/tasks/${key.taskId}`)).toMatch(text)
    await pageOf('/')
  })

  test.each([
    [
      'window_closed_early',
      { refusedSince: '2026-11-23T10:00:00Z', sentAfter: '2026-11-22T09:00:00Z', sentBefore: '2026-11-22T10:00:00Z' },
      /no longer answers for the task since .*the message was sent after/i,
    ],
    [
      'blind_before_deadline',
      { lastObservedAt: '2026-11-23T10:00:00Z', because: { problem: { code: 'permission', detail: {} } } },
      /Nothing is known about the time.*Reason: The app lacks the permission qyapi_base/,
    ],
    ['never_observed', { text: 'never_observed: no poll brought a result' }, /never_observed: no poll brought a result/],
  ])('tells an end: %s', async (code, detail, text) => {
    const { key } = await aTask(served.store)
    const ended = {
      status: 'expired',
      next_poll_at: null,
      finished_at: new Date(),
      reason_code: code,
      reason_detail: JSON.stringify(detail),
    }
    await set({ ...served.database, store: served.store, url: '' }, key, ended)
    const page = await pageOf(`/tasks/${key.taskId}`)
    expect(page).toMatch(text)
    expect(page).not.toContain('Poll now')
  })

  test('says that a send time was assumed, there and with the time to read', async () => {
    const { key } = await aTask(served.store, { userIds: ['ann', 'bob'] })
    await set({ ...served.database, store: served.store, url: '' }, key, { sent_at_given: false })
    await lookAt(served.store, key, { read: ['ann'], unread: ['bob'] }, 5)
    const page = await pageOf(`/tasks/${key.taskId}`)
    expect(page).toContain('assumed: the time of the enqueue')
    expect(page).toContain('The send time of one task was not given.')
  })

  test('says unread as of the poll that listed the person, and of all as of the earliest', async () => {
    const { key } = await aTask(served.store, { userIds: ['ann', 'bob'], campaign: 'left out' })
    await lookAt(served.store, key, { unread: ['ann', 'bob'] }, 5)
    await lookAt(served.store, key, { unread: ['bob'] }, 50)
    for (const path of [`/tasks/${key.taskId}`, '/campaigns/left%20out']) {
      const { text } = await ask(served.url, path, { headers: { accept: 'text/html' } })
      expect(text).toContain(`<dt>Unread as of</dt><dd><time datetime="${minutesLater(5).toISOString()}"`)
      const timeOf = (name: string) => new RegExp(`<tr data-key="${name}".*?datetime="([^"]+)"`, 's').exec(text)?.[1]
      expect([timeOf('ann'), timeOf('bob')]).toEqual([minutesLater(5).toISOString(), minutesLater(50).toISOString()])
    }
  })
})

describe('the overview', () => {
  test('tells of paused apps and agent ids and of workers, with what to do and a button', async () => {
    await aTask(served.store, { app: 'paused' })
    const problem = `'permission', '{"said": "60011", "message": "no", "scope": "app"}', now(), now() + interval '1 hour'`
    const columns = 'pause_code, pause_detail, pause_since, paused_until'
    await served.database.pool.query(`INSERT INTO delivery_app (app, ${columns}) VALUES ('paused', ${problem})`)
    await served.database.pool.query(`INSERT INTO delivery_pair (app, agent_id, ${columns}) VALUES ('paused', '77', ${problem})`)
    await served.database.pool.query(
      `INSERT INTO delivery_worker (worker_id, started_at, seen_at, expires_at, apps, problems)
       VALUES ('w1', now(), now(), now() + interval '1 hour', '{}', '{"paused": {"code": "unknown_app", "detail": {"said": "UNKNOWN_APP"}}}')`,
    )
    const page = await pageOf('/')
    expect(page).toMatch(
      /App paused is paused The app lacks the permission qyapi_base\..*Grant the app.*DingTalk answered: 60011 no.*The next probe is due/,
    )
    expect(page).toMatch(/App paused with agent id 77 is paused/)
    expect(page).toMatch(/A worker cannot poll app paused; other workers may .*What happened: UNKNOWN_APP.*Worker w1/)
    expect((await ask(served.url, '/', { headers: { accept: 'text/html' } })).text).toContain('action="/apps/paused/resume"')
  })
})

describe('the button', () => {
  test('of a task polls it at once, and leads back to its page', async () => {
    const key = await refused({ errcode: 41011, errmsg: 'invalid agent' })
    const page = await ask(served.url, `/tasks/${key.taskId}`, { headers: { accept: 'text/html' } })
    const [, action = ''] = /<form method="post" action="([^"]+resume[^"]*)"/.exec(page.text) ?? []
    const { status, headers } = await submit(action.replaceAll('&amp;', '&'))
    expect([status, headers.get('location')]).toEqual([303, `/tasks/${key.taskId}?app=default`])
    expect((await served.options.rates.task(key)).nextPollAt?.getTime()).toBeLessThan(Date.now() + 60_000)
  })

  test('of an app lifts its pauses, and leads back to the overview', async () => {
    await served.database.pool.query(
      "INSERT INTO delivery_app (app, pause_code, paused_until) VALUES ('by-button', 'quota', now() + interval '1 hour')",
    )
    const { status, headers } = await submit('/apps/by-button/resume')
    expect([status, headers.get('location')]).toEqual([303, '/'])
    expect((await served.options.rates.apps()).find(({ app }) => app === 'by-button')).toMatchObject({ pauseCode: null })
  })

  test('tells what it cannot do', async () => {
    const { key } = await aTask(served.store)
    await served.store.cancel(key)
    const ended = await submit(`/tasks/${key.taskId}/resume?app=default`)
    expect([ended.status, textIn(ended.text)]).toEqual([409, expect.stringContaining('has ended already (cancelled)')])
    expect((await submit('/tasks/404/resume')).status).toBe(404)
    expect((await submit('/apps/nobody/resume')).status).toBe(404)
  })

  test('is for this site alone, and for who is signed in', async () => {
    expect((await submit('/apps/default/resume', { origin: 'https://evil.example' })).status).toBe(403)
    const guarded = await aServer({ apiToken: 'correct-horse-battery' })
    const init = { method: 'POST', redirect: 'manual', headers: { accept: 'text/html' } } as const
    for (const path of ['/apps/default/resume', '/tasks/1/resume']) {
      const { status, headers } = await ask(guarded.url, path, init)
      expect([status, headers.get('location')]).toEqual([303, '/login?next=%2F'])
    }
  })
})
