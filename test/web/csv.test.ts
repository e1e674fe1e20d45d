import { afterAll, beforeAll, expect, test } from 'vitest'
import { MAX_PAGE, type RateReader } from '../../src/report/rates.ts'
import { attachment } from '../../src/web/attachment.ts'
import { aTask, lookAt } from '../store/support/polls.ts'
import { deferred } from '../support/deferred.ts'
import { until } from '../support/wait.ts'
import { aSocket, ask, headersOnly } from './support/ask.ts'
import { aServer, openServer, type Served } from './support/server.ts'

/** No id has a comma; the campaign has. */
const HOSTILE = ['=1+1', '+1', '-1', '@SUM(A1)', 'with space', 'with"quote', '李伟', '036632523163121146']
const CAMPAIGN = '=HYPERLINK("http://evil.example","工资")'

let served: Served
let close: () => Promise<void>
beforeAll(async () => {
  ;({ served, close } = await openServer({}))
  const { key } = await aTask(served.store, { taskId: '1', campaign: CAMPAIGN, userIds: HOSTILE })
  await lookAt(served.store, key, { unread: HOSTILE.slice(0, 6), read: HOSTILE.slice(6) }, 5)
  for (let i = 0; i < 12; i++) {
    const userIds = Array.from({ length: 100 }, (_, j) => `user-${String(i * 100 + j).padStart(4, '0')}`)
    await aTask(served.store, { campaign: 'large', userIds })
  }
})
afterAll(() => close())

/** RFC 4180, as a spreadsheet reads it. */
function cellsOf(text: string): string[][] {
  return text
    .split('\r\n')
    .slice(0, -1)
    .map((line) =>
      [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain ?? ''),
    )
}

test('a file for Excel: Chinese is legible, ids keep their zeros, and nothing in it is a formula', async () => {
  const response = await fetch(`${served.url}/v1/tasks/1/recipients?format=csv`)
  const bytes = new Uint8Array(await response.arrayBuffer())
  expect([...bytes.slice(0, 3)]).toEqual([0xef, 0xbb, 0xbf])
  const content = new TextDecoder().decode(bytes)
  expect(content.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/)
  const [head = [], ...rows] = cellsOf(content)
  expect(head.slice(0, 5)).toEqual(['app', 'task_id', 'campaign', 'user_id', 'state'])
  const column = (name: string) => rows.map((row) => row[head.indexOf(name)])
  expect(column('user_id').toSorted((a = '', b = '') => (a < b ? -1 : 1))).toEqual(
    ["'=1+1", "'+1", "'-1", "'@SUM(A1)", 'with space', 'with"quote', '李伟', '036632523163121146'].toSorted((a, b) => (a < b ? -1 : 1)),
  )
  expect(new Set(column('campaign'))).toEqual(new Set([`'${CAMPAIGN}`]))
  expect(rows.flat().filter((cell) => /^[=+\-@]/.test(cell))).toEqual([])
})

test('only those who were asked for are in it, and it is named after them', async () => {
  const { headers, text } = await ask(served.url, `/v1/campaigns/${encodeURIComponent(CAMPAIGN)}/recipients?state=read&format=csv`)
  expect(cellsOf(text).slice(1)).toHaveLength(2)
  expect(headers.get('content-type')).toBe('text/csv; charset=utf-8')
  expect(headers.get('content-disposition')).toMatch(/^attachment; filename="[\w.-]+"; filename\*=UTF-8''.*%E5%B7%A5%E8%B5%84.*-read\.csv$/)
})

test('everybody of a large campaign is in it, once, however many pages that is', async () => {
  const { text } = await ask(served.url, '/v1/campaigns/large/recipients?format=csv')
  const [head = [], ...rows] = cellsOf(text)
  const users = rows.map((row) => row[head.indexOf('user_id')])
  expect(users.length).toBe(1_200)
  expect(users.length).toBeGreaterThan(MAX_PAGE)
  expect(new Set(users).size).toBe(1_200)
  expect(text.match(/user_id/g)).toHaveLength(1)
})

test('a page of it is refused: it would be taken for the whole', async () => {
  for (const query of ['limit=10', 'cursor=abc']) {
    const { status, body } = await ask(served.url, `/v1/campaigns/large/recipients?format=csv&${query}`)
    expect([status, body.error]).toMatchObject([
      400,
      { code: 'INVALID_INPUT', message: expect.stringContaining('a CSV file has all people') },
    ])
  }
})

test('where the database goes away in the middle, the download breaks off: it is not a shorter file', async () => {
  const goingAway = (rates: RateReader, { toDatabase }: Pick<Served, 'toDatabase'>): RateReader => ({
    ...rates,
    async campaignRecipients(ref, filter) {
      if (filter.cursor !== undefined) await toDatabase.mode('refuse')
      return rates.campaignRecipients(ref, filter)
    },
  })
  const broken = await aServer({ reading: goingAway })
  for (let i = 0; i < 11; i++) {
    await aTask(broken.store, { campaign: 'large', userIds: Array.from({ length: 100 }, (_, j) => `u${i}-${j}`) })
  }
  const response = await fetch(`${broken.url}/v1/campaigns/large/recipients?format=csv`)
  expect(response.status).toBe(200)
  await expect(response.text()).rejects.toThrow()
  // The caller may hear of it first.
  const failures = (): string[] => broken.log.filter((each) => each.includes('a request failed'))
  await until(() => failures().length > 0, { what: 'the log says so' })
  const [line = '{}', ...more] = failures()
  expect(JSON.parse(line)).toMatchObject({ route: '/v1/campaigns/:name/recipients', err: { code: 'DATABASE_UNAVAILABLE' } })
  expect(more).toEqual([])
})

test('who leaves in the middle of it is no error, whatever the database does then', async () => {
  const second = deferred()
  const left = deferred()
  const waiting = (rates: RateReader, { toDatabase }: Pick<Served, 'toDatabase'>): RateReader => ({
    ...rates,
    async campaignRecipients(ref, filter) {
      if (filter.cursor === undefined) return rates.campaignRecipients(ref, filter)
      second.resolve()
      await left.promise
      await toDatabase.mode('refuse')
      try {
        return await rates.campaignRecipients(ref, filter)
      } finally {
        await toDatabase.mode('pass')
      }
    },
  })
  const kept = await aServer({ reading: waiting })
  for (let i = 0; i < 11; i++) {
    await aTask(kept.store, { campaign: 'large', userIds: Array.from({ length: 100 }, (_, j) => `u${i}-${j}`) })
  }
  const socket = await aSocket(kept.port)
  socket.write(headersOnly('/v1/campaigns/large/recipients?format=csv', { host: 'localhost' }))
  socket.resume()
  await second.promise
  socket.destroy()
  // It has seen the end of that connection when it answers on a later one.
  await ask(kept.url, '/livez')
  left.resolve()
  await until(async () => (await ask(kept.url, '/v1/campaigns/large')).status === 200, { what: 'it answers others' })
  expect(kept.log.filter((line) => line.includes('/recipients'))).toEqual([])
})

test.each([
  ['工资 11/100%.csv', `attachment; filename="___11_100_.csv"; filename*=UTF-8''%E5%B7%A5%E8%B5%84%2011_100%25.csv`],
  ["a'b(c)*.csv", `attachment; filename="a_b_c__.csv"; filename*=UTF-8''a%27b%28c%29_.csv`],
  ['../"\r\nx: y', `attachment; filename="..____x__y"; filename*=UTF-8''..____x_%20y`],
])('%j is a name that every disk takes', (name, header) => expect(attachment(name)).toBe(header))
