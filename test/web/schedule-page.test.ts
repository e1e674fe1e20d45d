import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PRIOR_LAW } from '../../src/domain/schedule/prior.ts'
import { createLaws } from '../../src/store/laws.ts'
import { aTask } from '../store/support/polls.ts'
import { ask } from './support/ask.ts'
import { aServer, openServer, type Served } from './support/server.ts'

const TUESDAY = new Date('2026-11-24T10:00:00+08:00')
const LEARNED = { tasks: 312, people: 14_002, lastSentAt: TUESDAY, learnedAt: TUESDAY }

let served: Served
let close: () => Promise<void>
beforeAll(async () => {
  ;({ served, close } = await openServer({ env: { SCHEDULE: 'learned' } }))
  for (const app of ['default', 'hr']) await aTask(served.store, { app, userIds: ['ann', 'ben', 'cai'] })
  await createLaws(served.database).add('default', { law: PRIOR_LAW, ...LEARNED })
  await createLaws(served.database).add('hr', { law: PRIOR_LAW, ...LEARNED, tasks: 0, people: 0, lastSentAt: null })
})
afterAll(() => close())

const get = (path: string, language = 'en', url = served.url) =>
  ask(url, path, { headers: { accept: 'text/html', 'accept-language': language } })

async function pageOf(path: string, language = 'en', url = served.url): Promise<{ readonly markup: string; readonly text: string }> {
  const { status, text: markup } = await get(path, language, url)
  expect([path, status]).toEqual([path, 200])
  return { markup, text: markup.replaceAll(/<[^>]*>/g, ' ').replaceAll(/\s+/g, ' ') }
}

const rowsIn = (markup: string, id: string): string[] =>
  (new RegExp(`<details id="${id}"[^]*?</details>`).exec(markup)?.[0] ?? '')
    .split('<tbody')[1]
    ?.split('</tr>')
    .slice(0, -1)
    .map((row) => row.replaceAll(/<[^>]*>/g, ' ').replaceAll(/\s+/g, ' ')) ?? []

const count = (markup: string, pattern: RegExp): number => [...markup.matchAll(pattern)].length

describe('the plan of an app', () => {
  const PATH = '/schedule?app=default&sentAt=2026-11-24T10:00&recipients=50&polls=12'

  test('has its width in words, a mark for each poll, each poll in the table, and from what it is known', async () => {
    const { markup, text } = await pageOf(PATH)
    expect(text).toMatch(/A read will be known to within (\d+ hrs? )?\d+ mins on average\. 12 polls, about 12 calls\./)
    expect(text).toContain('The polls are where the recipients of this app read most.')
    expect(text).toContain('Learned from 312 ended tasks of this app with 14,002 recipients.')
    expect(text).toContain('The last of these was sent 24 Nov')
    expect(rowsIn(markup, 'plan-table')).toHaveLength(12)
    expect(rowsIn(markup, 'plan-table').at(-1)).toMatch(/12 .*Final poll 23 hrs 52 mins/)
    expect(count(markup, /<line class="drop"/g)).toBe(12)
    expect(count(markup, /<line class="growing" x1="[^"]*%"/g)).toBe(12)
    expect(count(markup, /<rect class="hit/g)).toBe(12)
    expect(markup).not.toMatch(/ style="|<script>/)
  })

  test('has the hours of the organisation from the hour of the send on, and all hours of both kinds of day in a table', async () => {
    const { markup } = await pageOf('/schedule?app=default&sentAt=2026-11-27T17:30')
    const [, plan = '', law = ''] = markup.split('<svg class="plot hours"')
    // A Friday evening: from midnight on it is a day off.
    expect([count(plan, /<rect class="hour" x/g), count(plan, /<rect class="free-hour" fill="[^"]*" x/g)]).toEqual([7, 18])
    expect([...plan.matchAll(/>(\d\d:00)</g)].map(([, hour]) => hour)).toEqual([
      '18:00',
      '21:00',
      '00:00',
      '03:00',
      '06:00',
      '09:00',
      '12:00',
      '15:00',
    ])
    expect(count(law, /<rect class="hour" x/g)).toBe(24)
    expect(rowsIn(markup, 'law-table')).toHaveLength(24)
    expect(rowsIn(markup, 'law-table')[10]).toContain(` 10:00 ${(PRIOR_LAW.attention.work[10] ?? 0).toFixed(2)} `)
  })

  test('is compared with growing gaps: how wide these are, and how many they need', async () => {
    const { text } = await pageOf('/schedule?app=default&sentAt=2026-11-24T01:00&recipients=50&polls=12')
    const [, needed = ''] =
      /This plan 1 hr \d+ mins Growing gaps [23] hrs \d+ mins For what this plan tells, growing gaps need about (\d+) polls\./.exec(text) ??
      []
    expect(Number(needed)).toBeGreaterThan(12)
  })

  test('has the fewest polls that reach a width, and says where none does', async () => {
    const wide = rowsIn((await pageOf('/schedule?app=default&targetWidthMinutes=60&sentAt=2026-11-24T10:00')).markup, 'plan-table').length
    const narrow = rowsIn((await pageOf('/schedule?app=default&targetWidthMinutes=20&sentAt=2026-11-24T10:00')).markup, 'plan-table').length
    expect(wide).toBeGreaterThan(1)
    expect(narrow).toBeGreaterThan(wide)
    const { text } = await pageOf('/schedule?app=default&targetWidthMinutes=1&sentAt=2026-11-24T10:00')
    expect(text).toContain('Not within 1 min: no number of polls that the settings allow reaches that. Shown are 64 polls.')
  })

  test('keeps what was asked in its form; the send time is that of the organisation, in a form or in a link', async () => {
    for (const sentAt of [
      '2026-11-24T10:00',
      '2026-11-24T10:00:30',
      '2026-11-24T02:00:00Z',
      encodeURIComponent('2026-11-24T11:00:00+09:00'),
    ]) {
      const { markup } = await pageOf(`/schedule?app=default&sentAt=${sentAt}&recipients=7&polls=9`)
      expect(markup).toMatch(/name="sentAt" value="2026-11-24T10:00"/)
      expect(markup).toMatch(/name="recipients" value="7"/)
      expect(markup).toMatch(/name="polls" value="9"/)
      expect(markup).toMatch(/<option value="default" selected>/)
    }
  })

  test('of an app without ended tasks is that of the other apps', async () => {
    expect((await pageOf('/schedule?app=hr')).text).toContain(
      'Learned from the tasks of the organisation’s other apps: no task of this app has ended yet.',
    )
  })

  test('in Chinese', async () => {
    const { text } = await pageOf(PATH, 'zh-CN')
    expect(text).toMatch(/已读时间平均可精确到 (\d+ 小时 )?\d+ 分钟以内。 ?12 次查询，约 12 次调用。/)
    expect(text).toContain('由此应用已结束的 312 个任务、14,002 名接收人得出。')
  })
})

test('of several apps one is chosen, and what was asked stays', async () => {
  const { markup, text } = await pageOf('/schedule?sentAt=2026-11-24T10:00&polls=8')
  expect(text).toContain('Choose an app.')
  expect([...markup.matchAll(/<a class="button" href="(\/schedule[^"]*)"/g)].map(([, link = '']) => link.replaceAll('&amp;', '&'))).toEqual(
    ['/schedule?sentAt=2026-11-24T10%3A00&polls=8&app=default', '/schedule?sentAt=2026-11-24T10%3A00&polls=8&app=hr'],
  )
  expect((await pageOf('/')).markup).toContain('<a href="/schedule">')
})

test.each([
  ['app=default&recipients=101', 400, 'recipients must be a whole number from 1 to 100, not &quot;101&quot;'],
  ['app=default&polls=0', 400, 'polls must be a whole number from 1 to 500, not &quot;0&quot;'],
  ['app=default&polls=%3Cb%3E', 400, 'not &quot;&lt;b&gt;&quot;'],
  ['app=default&targetWidthMinutes=721', 400, 'targetWidthMinutes must be a whole number from 1 to 720'],
  ['app=default&polls=8&targetWidthMinutes=30', 400, 'polls (8) and targetWidthMinutes (30) exclude each other'],
  ['app=default&sentAt=yesterday', 400, 'by the organisation&#39;s clock (Asia/Shanghai) such as 2026-12-01T16:30'],
  ['app=default&sentAt=2026-02-30T10:00', 400, 'sentAt must be a time'],
  ['app=default&sentAt=2014-12-31T10:00', 400, 'sentAt must be a time of the years 2015 to 2100'],
  ['app=%00', 400, 'app must be 1 to 64 letters'],
  ['app=nobody', 404, 'No app &quot;nobody&quot; is configured or has a task. Known: default, hr.'],
])('%s is refused with %i and what is accepted', async (query, status, says) => {
  const refused = await get(`/schedule?${query}`)
  expect([refused.status, refused.text]).toEqual([status, expect.stringContaining(says)])
  expect(refused.text).not.toContain('not "<b>"')
})

test('an empty field is not asked', async () => {
  const { markup } = await pageOf('/schedule?app=default&sentAt=&recipients=&polls=&targetWidthMinutes=')
  expect(markup).toMatch(/name="recipients" value="3"/)
  expect(rowsIn(markup, 'plan-table')).toHaveLength(24)
})

describe('before the first task', () => {
  test('the assumed law is shown, and said to be one', async () => {
    const { url } = await aServer({ env: { SCHEDULE: 'learned' } })
    const { markup, text } = await pageOf('/schedule', 'en', url)
    expect(text).toContain('an assumption, until tasks of this app have ended')
    expect(text).toContain('After about five tasks the plan fits your own recipients.')
    expect(markup).not.toContain('<select id="plan-app"')
  })

  test('with growing gaps the plan is compared with nothing, and a width is reached by their number', async () => {
    const { url } = await aServer({ env: { SCHEDULE: 'growing' } })
    const { markup, text } = await pageOf('/schedule?sentAt=2026-11-24T10:00&targetWidthMinutes=60', 'en', url)
    expect(text).toContain('The gaps between the polls grow, the same way for every task.')
    expect(markup).not.toMatch(/id="growing"|class="growing"/)
    expect(rowsIn(markup, 'plan-table').length).toBeLessThan(24)
    expect(text).not.toContain('Not within')
  })

  test('who has no token signs in first', async () => {
    const { url } = await aServer({ apiToken: 'read:a-token-of-this-test-0001' })
    const page = await ask(url, '/schedule', { headers: { accept: 'text/html' }, redirect: 'manual' })
    expect([page.status, page.headers.get('location')]).toEqual([303, '/login?next=%2Fschedule'])
  })
})
