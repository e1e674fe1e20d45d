import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MAX_PAGE, type RateReader } from '../../src/report/rates.ts'
import { XLSX_TYPE } from '../../src/web/people-file.ts'
import { answeredAt, aTask, lookAt } from '../store/support/polls.ts'
import { deferred } from '../support/deferred.ts'
import { until } from '../support/wait.ts'
import { type FoundSheet, partOf, readWorkbook, recordsOf, wallClock } from '../support/workbook.ts'
import { aSocket, ask, headersOnly } from './support/ask.ts'
import { aServer, openServer, type Served } from './support/server.ts'

const CAMPAIGN = '=HYPERLINK("http://evil.example","工资")'
/** No user id may be changed by a spreadsheet. */
const IDS = ['036632523163100003', '036632523163100004', '00123', '=1+1', '+1', '-1', '@SUM(A1)', '1e5', 'with"quote', '李伟', '_x0041_']
const NAMES: Readonly<Record<string, string>> = { '036632523163100003': '李"伟"', '00123': '=cmd|calc', '1e5': '🙂 O’Neil <x>&' }
const READ = 'a-token-that-may-read'
const WITH_NAMES = 'a-token-that-sees-names'

let served: Served
let close: () => Promise<void>
beforeAll(async () => {
  ;({ served, close } = await openServer({ apiToken: `read:${READ},read+names:hr:${WITH_NAMES}` }))
  const { key } = await aTask(served.store, { taskId: '1', campaign: CAMPAIGN, userIds: IDS })
  await lookAt(served.store, key, { unread: IDS.slice(0, 9), forbidden: IDS.slice(9, 10) }, 5)
  await lookAt(served.store, key, { unread: IDS.slice(0, 4), read: IDS.slice(4, 9), forbidden: IDS.slice(9, 10) }, 20)
  for (let i = 0; i < 12; i++) {
    const userIds = Array.from({ length: 100 }, (_, j) => `user-${String(i * 100 + j).padStart(4, '0')}`)
    await aTask(served.store, { campaign: 'large', userIds })
  }
  const people = Object.entries(NAMES).map(([userId, name], i) => ({
    userId,
    name,
    departments: [`Headquarters/${i === 0 ? 'Sales' : 'Law & Order'}`],
  }))
  await served.database.pool.query('SELECT delivery_put_people($1)', [JSON.stringify(people)])
  await served.database.pool.query('GRANT SELECT ON delivery_people TO PUBLIC')
})
afterAll(() => close())

const bearer = (token: string): RequestInit => ({ headers: { authorization: `Bearer ${token}` } })
const recipientsOf = (campaign: string): string => `/v1/campaigns/${encodeURIComponent(campaign)}/recipients`

async function load(
  path: string,
  token = WITH_NAMES,
  url = served.url,
): Promise<{ sheets: FoundSheet[]; bytes: Uint8Array; headers: Headers }> {
  const response = await fetch(`${url}${path}`, bearer(token))
  const bytes = new Uint8Array(await response.arrayBuffer())
  expect([path, response.status, response.headers.get('content-type')]).toEqual([path, 200, XLSX_TYPE])
  return { sheets: readWorkbook(bytes), bytes, headers: response.headers }
}

const sheetOf = (sheets: readonly FoundSheet[], name: string): FoundSheet =>
  sheets.find((sheet) => sheet.name === name) ?? expect.fail(`no sheet ${name}`)
/** The lines of the summary by label; a label that stands twice has the first value. */
const summaryOf = (sheets: readonly FoundSheet[], name = 'Summary'): Map<unknown, unknown> =>
  new Map(
    sheetOf(sheets, name)
      .rows.map(([label, value]): [unknown, unknown] => [label?.value, value?.value])
      .reverse(),
  )

/** What a clock in Shanghai shows, which has had no summer time since 1991. */
const inShanghai = (at: string | null): string | null =>
  at === null ? null : new Date(Math.floor(Date.parse(at) / 1_000) * 1_000 + 8 * 3_600_000).toISOString().slice(0, 19).replace('T', ' ')

describe('the file of a campaign', () => {
  test('has the people of the API: ids letter for letter, and its times to the second, on the clock of the zone that was asked for', async () => {
    const { body } = await ask(served.url, recipientsOf(CAMPAIGN), bearer(WITH_NAMES))
    const { sheets } = await load(`${recipientsOf(CAMPAIGN)}?format=xlsx&timeZone=Asia/Shanghai`)
    const rows = recordsOf(sheetOf(sheets, 'People'))
    expect(rows.map((row) => row['User id'])).toEqual(body.recipients.map(({ userId }: { userId: string }) => userId))
    expect(new Set(rows.map((row) => row['User id']))).toEqual(new Set(IDS))
    expect(rows).toHaveLength(IDS.length)
    for (const [i, person] of body.recipients.entries()) {
      const row = rows[i] ?? {}
      expect([row['Task'], row['Campaign'], row['App'], row['In tasks'], row['Named by the sender']]).toEqual([
        '1',
        CAMPAIGN,
        'default',
        1,
        'Yes',
      ])
      expect([row['Name'], row['Department']]).toEqual([person.name, person.department])
      expect(row['State']).toBe({ read: 'Read', unread: 'Unread', pending: 'Pending', forbidden: 'Forbidden' }[String(person.state)])
      const times = ['First listed', 'Unread as of', 'First listed as read', 'Read after', 'Read by', 'As of'].map((title) =>
        wallClock(row[title]),
      )
      const { firstSeenAt, lastUnreadAt, firstReadAt, readAfter, readBefore, asOf } = person
      expect(times).toEqual([firstSeenAt, lastUnreadAt, firstReadAt, readAfter, readBefore, asOf].map(inShanghai))
    }
    expect(rows.map((row) => row['Name']).filter((name) => name !== null)).toEqual(expect.arrayContaining(Object.values(NAMES)))
    const forbidden = rows.find((row) => row['State'] === 'Forbidden')
    expect(forbidden).toMatchObject({ 'Why forbidden': 'Daily limit reached', 'DingTalk’s code': '143105', Limit: 500 })
  })

  test('keeps its titles in sight, can be filtered, and begins with who it is', async () => {
    const { sheets, bytes } = await load(`${recipientsOf(CAMPAIGN)}?format=xlsx`)
    expect(sheets.map(({ name }) => name)).toEqual(['People', 'Summary', 'Departments'])
    const { rows, filter } = sheetOf(sheets, 'People')
    expect(rows[0]?.slice(0, 4).map((cell) => cell?.value)).toEqual(['Name', 'Department', 'User id', 'State'])
    expect(filter).toBe(`A1:R${IDS.length + 1}`)
    expect(partOf(bytes, 'xl/worksheets/sheet1.xml')).toContain('state="frozen"')
    expect(rows.flat().every((cell) => cell === null || cell.type === 'text' || cell.format !== null)).toBe(true)
  })

  test('sums up with the figures of the API, as of when, who of them, for whom, and what a rate is', async () => {
    const { body: campaign } = await ask(served.url, `/v1/campaigns/${encodeURIComponent(CAMPAIGN)}`, bearer(WITH_NAMES))
    const { sheets } = await load(`${recipientsOf(CAMPAIGN)}?format=xlsx&state=unread&timeZone=Asia/Shanghai`)
    const summary = summaryOf(sheets)
    const figures = [
      'Targeted',
      'Delivered',
      'Read',
      'Unread',
      'Pending',
      'Failed',
      'Forbidden',
      'Invalid',
      'Read rate',
      'Read of targeted',
    ]
    const { targeted, delivered, read, unread, pending, failed, forbidden, invalid, readRate, readRateOfTargeted } = campaign
    expect(figures.map((figure) => summary.get(figure))).toEqual([
      ...[targeted, delivered, read, unread, pending, failed, forbidden, invalid, readRate, readRateOfTargeted],
    ])
    expect(recordsOf(sheetOf(sheets, 'People'))).toHaveLength(unread)
    expect(Object.fromEntries(summary)).toMatchObject({
      ...{ Campaign: CAMPAIGN, 'Filter: state': 'Unread', 'People in this file': unread, 'File made for': 'hr' },
      ...{ 'Time zone of all times': 'Asia/Shanghai', Note: expect.stringContaining('Read rate = read ÷ delivered') },
    })
    const at = (label: string): string | null => wallClock(Number(summary.get(label)))
    expect(at('As of')).toBe(inShanghai(answeredAt(20).toISOString()))
    expect([at('Sent'), at('Deadline')]).toEqual([campaign.firstSentAt, campaign.lastDeadlineAt].map(inShanghai))
    expect(at('File made at')).toMatch(/^20\d\d-/)
  })

  test('has the departments, each person in each of theirs', async () => {
    const { sheets } = await load(`${recipientsOf(CAMPAIGN)}?format=xlsx`)
    const rows = recordsOf(sheetOf(sheets, 'Departments'))
    expect(rows.map((row) => [row['Department'], row['Targeted'], row['Delivered'], row['Read'], row['Read rate']])).toEqual([
      ['Headquarters', 3, 3, 1, 1 / 3],
      ['Headquarters/Law & Order', 2, 2, 1, 0.5],
      ['Headquarters/Sales', 1, 1, 0, 0],
      ['Not known', 8, 6, 4, 4 / 6],
    ])
  })

  test('is Chinese where its reader is', async () => {
    const { sheets } = await load(`${recipientsOf(CAMPAIGN)}?format=xlsx&language=zh`)
    expect(sheets.map(({ name }) => name)).toEqual(['人员', '汇总', '部门'])
    const rows = recordsOf(sheetOf(sheets, '人员'))
    expect(new Set(rows.map((row) => row['状态']))).toEqual(new Set(['已读', '未读', '被限制', '待确认']))
    expect(rows.find((row) => row['状态'] === '被限制')?.['限制原因']).toBe('达到当日上限')
    expect(summaryOf(sheets, '汇总').get('已读率')).toBe(5 / 9)
    const texts = sheets.flatMap(({ rows: all }) =>
      all.flatMap((row) => row.flatMap((cell) => (cell?.type === 'text' ? [String(cell.value)] : []))),
    )
    const known = new Set([...IDS, ...Object.values(NAMES), CAMPAIGN])
    expect(
      texts.filter(
        (text) => /[a-z]{4}/i.test(text.replace('userid', '')) && !known.has(text) && !/^(default|Headquarters.*|\w+\/\w+)$/.test(text),
      ),
    ).toEqual([])
  })

  test('without the right to see names has neither names nor departments, and is complete', async () => {
    const { sheets, bytes } = await load(`${recipientsOf(CAMPAIGN)}?format=xlsx`, READ)
    expect(sheets.map(({ name }) => name)).toEqual(['People', 'Summary'])
    const titles = sheetOf(sheets, 'People').rows[0]?.map((cell) => cell?.value)
    expect(titles?.slice(0, 2)).toEqual(['User id', 'State'])
    expect(titles).not.toContain('Name')
    expect(recordsOf(sheetOf(sheets, 'People'))).toHaveLength(IDS.length)
    expect(partOf(bytes, 'xl/worksheets/sheet1.xml')).not.toMatch(/O’Neil|Headquarters/)
    expect(summaryOf(sheets).has('File made for')).toBe(false)
  })

  test('has everybody of a large one, once, in the order of the API', async () => {
    const { sheets } = await load(`${recipientsOf('large')}?format=xlsx`)
    const users = recordsOf(sheetOf(sheets, 'People')).map((row) => String(row['User id']))
    expect(users.length).toBeGreaterThan(MAX_PAGE)
    expect(users).toEqual(Array.from({ length: 1_200 }, (_, i) => `user-${String(i).padStart(4, '0')}`))
    expect(summaryOf(sheets).get('People in this file')).toBe(1_200)
  })

  test('where no person fits has its titles', async () => {
    const { sheets } = await load(`${recipientsOf('large')}?format=xlsx&search=not-there`)
    expect(sheetOf(sheets, 'People').rows).toHaveLength(1)
    expect(Object.fromEntries(summaryOf(sheets))).toMatchObject({ 'Filter: search': 'not-there', 'People in this file': 0 })
  })

  test('is named after the campaign and the filter', async () => {
    const { headers } = await load(`${recipientsOf('large')}?format=xlsx&state=pending`)
    expect(headers.get('content-disposition')).toMatch(/^attachment; filename="large-pending\.xlsx"; filename\*=/)
  })
})

test('the file of a task has its people and no departments', async () => {
  const { sheets, headers } = await load('/v1/tasks/1/recipients?format=xlsx&search=036632523163100003&timeZone=America/New_York')
  expect(headers.get('content-disposition')).toMatch(/filename="task-1-recipients\.xlsx"/)
  expect(sheets.map(({ name }) => name)).toEqual(['People', 'Summary'])
  expect(recordsOf(sheetOf(sheets, 'People'))).toMatchObject([{ Name: '李"伟"', 'User id': '036632523163100003' }])
  expect(Object.fromEntries(summaryOf(sheets))).toMatchObject({
    Task: '1',
    Campaign: CAMPAIGN,
    'Time zone of all times': 'America/New_York',
  })
})

test.each([
  ['language=fr', /^language must be .*"fr"/],
  ['timeZone=Mars/Olympus', /^timeZone must be the name of a time zone such as Asia\/Shanghai or UTC, not "Mars\/Olympus"\.$/],
  ['limit=10', /^limit is for JSON: an \.xlsx file has all people/],
  ['cursor=abc', /^cursor is for JSON/],
])('%s is refused with what is accepted', async (query, message) => {
  const { status, body } = await ask(served.url, `${recipientsOf('large')}?format=xlsx&${query}`, bearer(READ))
  expect([status, body.error]).toMatchObject([400, { code: 'INVALID_INPUT', message: expect.stringMatching(message) }])
})

test('a language or a zone without the file is refused: it would change nothing', async () => {
  for (const query of ['language=zh', 'timeZone=UTC&format=csv']) {
    for (const path of [recipientsOf('large'), '/v1/tasks/1/recipients']) {
      const { status, body } = await ask(served.url, `${path}?${query}`, bearer(READ))
      expect([status, body.error.message]).toEqual([400, expect.stringContaining('is for format=xlsx')])
    }
  }
})

test('what is not there is an answer of its own, and no file', async () => {
  for (const path of [`${recipientsOf('not-there')}?format=xlsx`, '/v1/tasks/404/recipients?format=xlsx']) {
    const { status, type } = await ask(served.url, path, bearer(READ))
    expect([status, type]).toEqual([404, 'application/json; charset=utf-8'])
  }
})

test('more people than a sheet holds are refused with what helps', async () => {
  const huge = await aServer({
    reading: (rates) => ({ ...rates, campaign: async (ref) => ({ ...(await rates.campaign(ref)), targeted: 1_048_576 }) }),
  })
  await aTask(huge.store, { campaign: 'huge', userIds: ['ann'] })
  const { status, body } = await ask(huge.url, `${recipientsOf('huge')}?format=xlsx`)
  expect([status, body.error.message]).toEqual([
    400,
    'format=xlsx holds at most 1048575 people, and these are 1048576. Filter them by state, search or department, or use format=csv.',
  ])
  expect((await ask(huge.url, `${recipientsOf('huge')}?format=xlsx&state=pending`)).status).toBe(200)
})

describe('the dashboard', () => {
  const open = { 'accept-language': 'zh-CN', accept: 'text/html' }
  let page: Served
  beforeAll(async () => {
    const opened = await openServer({})
    page = opened.served
    const { key } = await aTask(page.store, { taskId: '7', campaign: 'payroll', userIds: ['0366', '00123', 'zoe'] })
    await lookAt(page.store, key, { unread: ['0366', '00123'], read: ['zoe'] }, 5)
    return opened.close
  })

  test('offers the file beside the CSV file, with the filter that it shows', async () => {
    for (const place of ['/campaigns/payroll', '/tasks/7']) {
      const { text } = await ask(page.url, `${place}?app=default&state=unread&q=03`, { headers: open })
      const link =
        /href="([^"]+people\.xlsx[^"]+)"[^>]*>Excel \(\.xlsx\)</.exec(text)?.[1]?.replaceAll('&amp;', '&') ?? expect.fail('no link')
      expect(text).toContain('CSV（供程序使用）')
      const response = await fetch(`${page.url}${link}&timeZone=Asia/Shanghai`, { headers: open })
      const sheets = readWorkbook(new Uint8Array(await response.arrayBuffer()))
      expect(recordsOf(sheetOf(sheets, '人员')).map((row) => row['员工 userid'])).toEqual(['0366'])
      expect(Object.fromEntries(summaryOf(sheets, '汇总'))).toMatchObject({
        '筛选：状态': '未读',
        '筛选：搜索': '03',
        所有时间的时区: 'Asia/Shanghai',
      })
      expect(response.headers.get('content-disposition')).toMatch(/-people\.xlsx"|payroll-people\.xlsx/)
    }
  })

  test('without the script the file has the zone that the page says', async () => {
    const { text } = await ask(page.url, '/campaigns/payroll', { headers: { ...open, 'accept-language': 'en' } })
    const zone = /Times in the server’s zone, (\S+)/.exec(text)?.[1]
    const response = await fetch(`${page.url}/campaigns/payroll/people.xlsx?app=default&state=all`)
    const sheets = readWorkbook(new Uint8Array(await response.arrayBuffer()))
    expect(summaryOf(sheets).get('Time zone of all times')).toBe(zone)
    expect(recordsOf(sheetOf(sheets, 'People'))).toHaveLength(3)
  })

  test('a zone that is none is a page that says so', async () => {
    const { status, text } = await ask(page.url, '/campaigns/payroll/people.xlsx?app=default&timeZone=Mars', { headers: open })
    expect([status, text]).toEqual([400, expect.stringContaining('地址不正确')])
  })
})

async function fillLarge({ store }: Served): Promise<void> {
  for (let i = 0; i < 11; i++) await aTask(store, { campaign: 'large', userIds: Array.from({ length: 100 }, (_, j) => `u${i}-${j}`) })
}

test.each([`${recipientsOf('large')}?format=xlsx`, '/campaigns/large/people.xlsx?app=default&state=all'])(
  'where the database goes away in the middle of %s, the download breaks off: it is not a shorter file',
  async (path) => {
    const goingAway = (rates: RateReader, { toDatabase }: Pick<Served, 'toDatabase'>): RateReader => ({
      ...rates,
      async campaignRecipients(ref, filter) {
        if (filter.cursor !== undefined) await toDatabase.mode('refuse')
        return rates.campaignRecipients(ref, filter)
      },
    })
    const broken = await aServer({ reading: goingAway })
    await fillLarge(broken)
    const response = await fetch(`${broken.url}${path}`)
    expect(response.status).toBe(200)
    await expect(response.arrayBuffer()).rejects.toThrow()
    const failures = (): string[] => broken.log.filter((each) => each.includes('DATABASE_UNAVAILABLE'))
    await until(() => failures().length > 0, { what: 'the log says so' })
    expect(failures()).toHaveLength(1)
  },
)

test('who leaves in the middle of it ends the reads, and is no error', async () => {
  const [second, left, read] = [deferred(), deferred(), deferred()]
  let pages = 0
  const waiting = (rates: RateReader): RateReader => ({
    ...rates,
    async campaignRecipients(ref, filter) {
      pages += 1
      if (filter.cursor === undefined) return { items: (await rates.campaignRecipients(ref, filter)).items, nextCursor: 'more' }
      second.resolve()
      await left.promise
      const { items } = await rates.campaignRecipients(ref, { ...filter, cursor: undefined })
      read.resolve()
      return { items, nextCursor: 'more' }
    },
  })
  const kept = await aServer({ reading: waiting })
  await fillLarge(kept)
  const socket = await aSocket(kept.port)
  socket.write(headersOnly(`${recipientsOf('large')}?format=xlsx`, { host: 'localhost' }))
  socket.resume()
  await second.promise
  socket.destroy()
  // It has seen the end of that connection when it answers on a later one.
  await ask(kept.url, '/livez')
  left.resolve()
  await read.promise
  await ask(kept.url, '/v1/campaigns/large')
  // The list has no end, so any further page would be another read.
  expect(pages).toBe(2)
  expect(kept.log.filter((line) => line.includes('/recipients'))).toEqual([])
})
