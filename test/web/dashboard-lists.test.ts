import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { TaskKey } from '../../src/domain/delivery.ts'
import type { TrackRequest } from '../../src/intake/track-request.ts'
import { adoptAll, aTask, loaded, lookAt, minutesLater, planBody } from '../store/support/polls.ts'
import { set } from '../store/support/reader.ts'
import { ask } from './support/ask.ts'
import { openServer, type Served } from './support/server.ts'

const READ = 'a-token-that-may-only-read'
const WRITE = 'a-token-that-may-also-write'

let served: Served
let close: () => Promise<void>
/** The sessions of the two readers, by their tokens. */
const cookies = new Map<string, string>()
beforeAll(async () => {
  ;({ served, close } = await openServer({ apiToken: `read:${READ},write:${WRITE}` }))
  for (const token of [READ, WRITE]) {
    const { headers } = await ask(served.url, '/login', { method: 'POST', redirect: 'manual', headers: FORM, body: `token=${token}` })
    cookies.set(token, headers.get('set-cookie')?.split(';')[0] ?? '')
  }
})
afterAll(() => close())

const FORM = { accept: 'text/html', 'content-type': 'application/x-www-form-urlencoded' }
const cookieOf = (token: string): { cookie: string } => ({ cookie: cookies.get(token) ?? '' })

interface Reader {
  readonly language?: 'en' | 'zh'
  readonly token?: string
}

async function markupOf(path: string, { language = 'en', token = WRITE }: Reader = {}): Promise<string> {
  const headers = { accept: 'text/html', 'accept-language': language, ...cookieOf(token) }
  const { status, text } = await ask(served.url, path, { headers })
  expect([path, status]).toEqual([path, 200])
  return text
}

const textIn = (markup: string): string => markup.replaceAll(/<[^>]*>/g, ' ').replaceAll(/\s+/g, ' ')

/** One section of a page. */
const sectionOf = (markup: string, id: string): string => new RegExp(`<section id="${id}".*?</section>`, 's').exec(markup)?.[0] ?? ''

const submit = (path: string, fields: Readonly<Record<string, string>>, token = WRITE) =>
  ask(served.url, path, {
    method: 'POST',
    redirect: 'manual',
    headers: { ...FORM, ...cookieOf(token) },
    body: new URLSearchParams(fields).toString(),
  })

async function refused(body: Readonly<Record<string, unknown>>, fields: Partial<TrackRequest> = {}): Promise<TaskKey> {
  const { key } = await aTask(served.store, { agentId: '836390886', ...fields })
  await adoptAll(served.store)
  await served.store.apply(planBody(await loaded(served.store, key), body, 5))
  return key
}

const PEOPLE = ['ann', 'bob', 'cy', 'dora']

test('before the first task, a sentence for those who send, with a link for their developers', async () => {
  const markup = await markupOf('/')
  expect(textIn(markup)).toMatch(/Nothing is tracked yet Ask your developers to connect .*send them this link: the address of this page/)
  expect(markup).toContain('<a href="/#developers">')
  expect(markup).toMatch(/id="developers".*<h2>For developers<\/h2>.*enqueue the task id.*track_delivery/s)
  expect(textIn(await markupOf('/', { language: 'zh' }))).toMatch(/还没有群发记录 请联系开发人员.*把这个链接发给他们：.*开发人员请看这里/)
})

describe('the read curve', () => {
  test('begins at the send with 0, and after the last poll nothing is drawn as known', async () => {
    const { key } = await aTask(served.store, { userIds: PEOPLE, campaign: 'drawn' })
    await lookAt(served.store, key, { unread: PEOPLE }, 5)
    await lookAt(served.store, key, { read: ['ann'], unread: ['bob', 'cy', 'dora'] }, 30)
    for (const path of [`/tasks/${key.taskId}`, '/campaigns/drawn']) {
      const curve = sectionOf(await markupOf(path), 'curve')
      const pathOf = (name: string): string => new RegExp(`<path class="${name}" d="([^"]*)"`).exec(curve)?.[1] ?? ''
      expect(pathOf('known')).toMatch(/^M0 1000H\d+V1000H(\d+)V750H\1$/)
      expect(pathOf('later')).toMatch(/^M\d+ 750H850$/)
      // All four were delivered, from the send on.
      expect(pathOf('delivered')).toMatch(/^M0 0H\d+V0H\d+V0H850$/)
      // One may have read between the two polls; the other three never are in it.
      expect([...pathOf('bounds').matchAll(/V(\d+)/g)].map(([, y]) => Number(y)).every((y) => y >= 750)).toBe(true)
      // The other three may have read since: from 750 up to 0, until now.
      expect(/<clipPath id="curve-unknown"[^>]*><path [^>]*d="([^"]*)"/.exec(curve)?.[1]).toMatch(/H\d+V0H850V750H/)
      expect(textIn(curve)).toContain('not known: after the last poll')
      expect(textIn(curve)).toMatch(/30 mins 4 1 1 25\.0%/)
    }
  })

  test('of an ended task in which all have read has nothing unknown', async () => {
    const { key } = await aTask(served.store, { userIds: ['ann'] })
    await lookAt(served.store, key, { read: ['ann'] }, 5)
    const curve = sectionOf(await markupOf(`/tasks/${key.taskId}`), 'curve')
    expect(textIn(curve)).not.toContain('not known')
    expect(curve).not.toContain('data-key="end"')
  })
})

describe('the people of a task', () => {
  test('the time is above the list once, and a row has its own only where it differs', async () => {
    const { key } = await aTask(served.store, { userIds: [...PEOPLE, 'eve'] })
    await lookAt(served.store, key, { unread: PEOPLE }, 5)
    await lookAt(served.store, key, { unread: ['bob', 'cy', 'dora'] }, 50)
    const people = sectionOf(await markupOf(`/tasks/${key.taskId}`), 'people')
    expect(people).toContain(`<p class="quiet">Unread as of <time datetime="${minutesLater(50).toISOString()}"`)
    expect(textIn(people)).toContain('Where another time holds, it stands in the row.')
    const rowOf = (name: string): string => textIn(new RegExp(`<tr[^>]* data-key="${name}".*?</tr>`, 's').exec(people)?.[0] ?? '').trim()
    expect(rowOf('ann')).toMatch(/^ann unread as of \S+/)
    expect(rowOf('bob')).toBe('bob')
    const all = textIn(sectionOf(await markupOf(`/tasks/${key.taskId}?state=all`), 'people'))
    expect(all).toMatch(/Unread as of [^.]*\. Pending as of [^.]*\. Where another time holds/)
    expect(textIn(sectionOf(await markupOf(`/tasks/${key.taskId}`, { language: 'zh' }), 'people'))).toMatch(
      /截至 .* 未读；此后的情况不明。 ?时间不同的，见各行。/,
    )
  })

  test('reads are drawn where they differ, and nowhere else', async () => {
    const { key } = await aTask(served.store, { userIds: PEOPLE })
    await lookAt(served.store, key, { unread: PEOPLE }, 5)
    const same = await lookAt(served.store, key, { read: ['ann', 'bob'], unread: ['cy', 'dora'] }, 30)
    const page = `/tasks/${same.key.taskId}`
    for (const state of ['unread', 'read', 'all']) expect(await markupOf(`${page}?state=${state}`)).not.toContain('class="bracket"')
    await lookAt(served.store, key, { read: ['ann', 'bob', 'cy'], unread: ['dora'] }, 50)
    expect((await markupOf(`${page}?state=read`)).match(/class="bracket"/g)).toHaveLength(3)
    expect((await markupOf(`${page}?state=all`)).match(/class="bracket"/g)).toHaveLength(3)
    expect(await markupOf(page)).not.toContain('class="bracket"')
  })

  test('a read within one minute is told with seconds', async () => {
    const { key } = await aTask(served.store, { userIds: ['ann', 'bob'] })
    await lookAt(served.store, key, { unread: ['ann', 'bob'] }, 5)
    await lookAt(served.store, key, { read: ['ann'], unread: ['bob'] }, 30)
    await served.database.pool.query(
      `UPDATE delivery_recipient SET last_unread_at = '2026-11-23T10:00:05Z', first_read_at = '2026-11-23T10:00:40Z' WHERE user_id = 'ann'
       AND task_pk = (SELECT id FROM delivery_task WHERE task_id = $1)`,
      [key.taskId],
    )
    const page = await markupOf(`/tasks/${key.taskId}?state=read`)
    expect(page).toMatch(/read between <time [^>]*data-show="seconds">[^<]*:05<\/time> and <time [^>]*data-show="seconds">[^<]*:40<\/time>/)
  })

  test('polls without a change are folded into one line, and what changed stands beside it', async () => {
    const { key } = await aTask(served.store, { userIds: ['ann', 'bob'] })
    for (let minute = 2; minute <= 18; minute += 2) await lookAt(served.store, key, { unread: ['ann', 'bob'] }, minute)
    await served.store.apply(planBody(await loaded(served.store, key), { errcode: -1, errmsg: 'system busy' }, 20))
    await lookAt(served.store, key, { read: ['ann'], unread: ['bob'] }, 40)
    await lookAt(served.store, key, { read: ['ann'], unread: ['bob'] }, 50)
    const polls = sectionOf(await markupOf(`/tasks/${key.taskId}/people/ann`), 'polls')
    const lines = [...polls.matchAll(/<li class="(\w+)[^>]*data-key="([^"]*)"/g)].map(([, kind, at]) => [kind, at])
    expect(lines).toEqual([
      ['change', '1'],
      ['same', 'from 2'],
      ['change', '11'],
      ['same', '12'],
    ])
    expect(textIn(polls)).toMatch(/9 polls, still: Unread · 1 of them failed/)
    expect(textIn(polls)).toContain('system busy')
    const chinese = textIn(sectionOf(await markupOf(`/tasks/${key.taskId}/people/ann`, { language: 'zh' }), 'polls'))
    expect(chinese).toContain('9 次查询，仍为未读 · 其中 1 次失败')
  })
})

describe('statistics', () => {
  test('are sentences, and the method is a footnote', async () => {
    const { key } = await aTask(served.store, { userIds: PEOPLE, campaign: 'told' })
    await lookAt(served.store, key, { unread: PEOPLE }, 10)
    await lookAt(served.store, key, { read: ['ann', 'bob'], unread: ['cy', 'dora'] }, 30)
    const task = textIn(sectionOf(await markupOf(`/tasks/${key.taskId}`), 'time-to-read'))
    expect(task).toContain('Half had read within 10 mins to 30 mins of the send.')
    expect(task).not.toMatch(/Turnbull|bracket/)
    const campaign = textIn(sectionOf(await markupOf('/campaigns/told', { language: 'zh' }), 'time-to-read'))
    expect(campaign).toMatch(/25% 的人在发送后 10 分钟至 30 分钟内已读.* \* [^*]*Turnbull/)
  })
})

describe('the overview', () => {
  test('has campaigns first, a line for problems, and the name of no app while there is one', async () => {
    await refused({ errcode: 41011, errmsg: 'invalid agent' }, { campaign: 'refused' })
    const markup = await markupOf('/')
    const order = [...markup.matchAll(/<section id="([^"]+)"/g)].map(([, id]) => id)
    expect(order).toEqual(['campaigns', 'tasks', 'attention', 'calls'])
    expect(markup).toMatch(/class="notice">[^<]*problem.*<a href="#attention">/s)
    for (const path of ['/', '/campaigns/refused']) expect(textIn(await markupOf(path))).not.toMatch(/\bdefault\b/)
    expect(textIn(await markupOf('/'))).toMatch(/\d open tasks/)
  })

  test('finds what was sent in some days, and says what is wrong with a day', async () => {
    const day = (offset: number): string => new Date(minutesLater(0).getTime() + offset * 86_400_000).toISOString().slice(0, 10)
    const within = await markupOf(`/?zone=UTC&from=${day(0)}&to=${day(0)}`)
    expect(sectionOf(within, 'campaigns')).toContain('told')
    expect(within).toContain(`type="date" name="from" value="${day(0)}"`)
    const before = await markupOf(`/?zone=UTC&to=${day(-1)}`)
    expect(textIn(sectionOf(before, 'campaigns'))).toContain('Nothing was sent in this time.')
    expect(textIn(await markupOf(`/?zone=UTC&to=${day(-1)}`, { language: 'zh' }))).toContain('这段时间内没有发送。')
    const headers = { accept: 'text/html', ...cookieOf(WRITE) }
    const { status, text } = await ask(served.url, '/?from=soon', { headers })
    expect([status, textIn(text)]).toEqual([
      400,
      expect.stringContaining('from must be a day from 2015-01-01 on, such as 2026-11-01, not &quot;soon&quot;'),
    ])
  })

  test('a page of campaigns keeps the days', async () => {
    for (let i = 0; i < 11; i++) await aTask(served.store, { campaign: `of many ${i}` })
    const day = minutesLater(0).toISOString().slice(0, 10)
    const next = /<nav class="pager" aria-label="Campaigns"><a href="([^"]+)"/.exec(await markupOf(`/?zone=UTC&q=of+many&from=${day}`))?.[1]
    expect(next).toContain(`q=of+many&amp;from=${day}&amp;zone=UTC&amp;campaigns=`)
    expect(sectionOf(await markupOf(next?.replaceAll('&amp;', '&') ?? ''), 'campaigns').match(/<h3/g)).toHaveLength(1)
  })

  test('names its apps as soon as there are two', async () => {
    await aTask(served.store, { app: 'second', campaign: 'of another app' })
    expect(textIn(sectionOf(await markupOf('/'), 'calls'))).toMatch(/default .* second/)
  })
})

describe('what can be done about a task', () => {
  test('a reader with the right corrects its agent id on its page, and it is polled at once', async () => {
    const key = await refused({ errcode: 41011, errmsg: 'invalid agent' })
    const markup = await markupOf(`/tasks/${key.taskId}`)
    expect(textIn(markup)).toMatch(/Poll now .*Correct the agent id of this task .*Save and poll now .*correct DINGTALK_AGENT_ID/)
    const action = /<form class="correct" method="post" action="([^"]+)"/.exec(markup)?.[1]?.replaceAll('&amp;', '&') ?? ''
    const { status, headers } = await submit(action, { agentId: '4711' })
    expect([status, headers.get('location')]).toEqual([303, `/tasks/${key.taskId}?app=default`])
    const task = await served.options.rates.task(key)
    expect(task.agentId).toBe('4711')
    expect(task.nextPollAt?.getTime()).toBeLessThan(Date.now() + 60_000)
  })

  test.each(['', 'abc', '-1'])('an agent id of %j is refused by name, and nothing changes', async (agentId) => {
    const key = await refused({ errcode: 41011, errmsg: 'invalid agent' })
    const { status, text } = await submit(`/tasks/${key.taskId}/agent-id?app=default`, { agentId })
    expect([status, textIn(text)]).toEqual([400, expect.stringContaining('agentId must be a whole number')])
    expect((await served.options.rates.task(key)).agentId).toBe('836390886')
  })

  test('a task that was polled with success keeps its agent id, and one that ended does too', async () => {
    const { key } = await aTask(served.store, { userIds: ['ann', 'bob'], agentId: '836390886' })
    await lookAt(served.store, key, { unread: ['ann', 'bob'] }, 5)
    const path = `/tasks/${key.taskId}/agent-id?app=default`
    const kept = await submit(path, { agentId: '4711' })
    expect([kept.status, textIn(kept.text)]).toEqual([409, expect.stringContaining('keeps its agent id 836390886')])
    await served.store.cancel(key)
    expect(textIn((await submit(path, { agentId: '4711' })).text)).toContain('has ended already (cancelled)')
    expect((await served.options.rates.task(key)).agentId).toBe('836390886')
    expect((await submit('/tasks/404/agent-id', { agentId: '4711' })).status).toBe(404)
  })

  test('a reader without the right is told whom to ask, and can send nothing', async () => {
    const key = await refused({ errcode: 41011, errmsg: 'invalid agent' })
    const markup = await markupOf(`/tasks/${key.taskId}`, { token: READ })
    expect(textIn(markup)).toContain('Send the address of this page to an administrator')
    expect(markup).not.toMatch(/\/resume|\/agent-id/)
    expect(textIn(await markupOf('/', { token: READ, language: 'zh' }))).toContain('请把本页的地址发给本系统的管理员')
    expect((await submit(`/tasks/${key.taskId}/agent-id?app=default`, { agentId: '4711' }, READ)).status).toBe(403)
    expect((await served.options.rates.task(key)).agentId).toBe('836390886')
  })

  test('a task that stopped says what to correct for the next one', async () => {
    const { key } = await aTask(served.store, { userIds: ['ann'] })
    const ended = {
      status: 'stopped',
      next_poll_at: null,
      finished_at: new Date(),
      reason_code: 'agent_id',
      reason_detail: JSON.stringify({ agentId: '5', said: '41011' }),
    }
    await set({ ...served.database, store: served.store, url: '' }, key, ended)
    expect(textIn(sectionOf(await markupOf(`/tasks/${key.taskId}`), 'problem'))).toMatch(
      /What can be done The 24 hours are over.* Check the agent id 5 /,
    )
    expect(textIn(sectionOf(await markupOf(`/tasks/${key.taskId}`, { token: READ }), 'problem'))).toContain('You may only read here.')
  })
})
