import { afterAll, beforeAll, expect, test } from 'vitest'
import { aTask, lookAt } from '../store/support/polls.ts'
import { ask } from './support/ask.ts'
import { openServer, type Served } from './support/server.ts'

const HOSTILE = `<b onclick="x">&`

let served: Served
let close: () => Promise<void>
beforeAll(async () => {
  ;({ served, close } = await openServer({}))
  const send = async (campaign: string, read: readonly string[], unread: readonly string[], app = 'default'): Promise<void> => {
    const { key } = await aTask(served.store, { app, campaign, userIds: [...read, ...unread] })
    await lookAt(served.store, key, { unread: [...read, ...unread] }, 5)
    await lookAt(served.store, key, { read, unread }, 30)
  }
  await send('march', ['a', 'b', 'c'], ['d'])
  await send('april', ['a'], ['b', 'c', 'd'])
  await send(HOSTILE, ['a', 'b'], [])
  for (const app of ['hr', 'it']) await send('shared', [app], [`${app}2`, `${app}3`, `${app}4`], app)
  await aTask(served.store, { campaign: 'not polled', userIds: ['a'] })
  for (let i = 1; i <= 7; i++) await aTask(served.store, { campaign: `c${i}`, userIds: ['a'] })
})
afterAll(() => close())

const get = (path: string, language = 'en') => ask(served.url, path, { headers: { accept: 'text/html', 'accept-language': language } })

async function pageOf(path: string, language = 'en'): Promise<{ readonly markup: string; readonly text: string }> {
  const { status, text: markup } = await get(path, language)
  expect([path, status]).toEqual([path, 200])
  return { markup, text: markup.replaceAll(/<[^>]*>/g, ' ').replaceAll(/\s+/g, ' ') }
}

test('campaigns stand side by side with figures, curves and times, each known by a letter and a line of its own', async () => {
  const { markup, text } = await pageOf('/compare?campaign=march&campaign=april&app=default')
  expect(text).toMatch(/A march 75\.0% 3 4 4/)
  expect(text).toMatch(/B april 25\.0% 1 4 4/)
  expect(markup).toContain('75.0%, B 25.0%')
  expect([...markup.matchAll(/<path class="compared-line line-(\w)" d="(M0 1000[^"]+)"/g)].map(([, letter]) => letter)).toEqual(['A', 'B'])
  expect([...markup.matchAll(/<text class="line-letter"[^>]*>(\w)</g)].map(([, letter]) => letter)).toEqual(['A', 'B'])
  expect(text).toMatch(/A march .*Half had read within 5 mins to 30 mins\..* B april .*25% had read within 5 mins to 30 mins\./)
  expect(text).toMatch(/After 30 mins fewer than half had read; later reads are not known\./)
  expect(text).toMatch(/Since the send A B 0 0\.0% 0\.0%/)
  expect(markup).not.toMatch(/ style="|<script>/)
})

test('in Chinese', async () => {
  const { text } = await pageOf('/compare?campaign=march&campaign=april', 'zh-CN')
  expect(text).toMatch(/半数人在发送后 5 ?分钟至 30 ?分钟内已读。/)
  expect(text).toContain('对比群发')
})

test('names with markup stay text, and a campaign without a poll has no line', async () => {
  const { markup, text } = await pageOf(`/compare?campaign=${encodeURIComponent(HOSTILE)}&campaign=not+polled`)
  expect(markup).not.toContain('<b onclick')
  expect(markup).toContain('&lt;b onclick=')
  expect(markup).not.toContain('<path class="compared-line line-B"')
  expect(text).toContain('No successful poll yet.')
  expect((await pageOf('/compare?campaign=not+polled&campaign=c1')).text).toContain('No successful poll yet.')
})

test('a campaign of several apps is named with its app', async () => {
  const { text } = await pageOf('/compare?campaign.hr=shared&campaign.it=shared')
  expect(text).toMatch(/A shared hr 25\.0%.*B shared it 25\.0%/)
  const { status, text: refusal } = await get('/compare?campaign=shared&campaign=march')
  expect([status, refusal]).toEqual([400, expect.stringContaining('Write campaign.APP=')])
})

test('one campaign leads to a list to choose others from, in which it is ticked', async () => {
  const link = /href="(\/compare[^"]*)"/.exec((await pageOf('/campaigns/march')).markup)?.[1]?.replaceAll('&amp;', '&') ?? ''
  expect(link).toBe('/compare?campaign=march&app=default')
  const { markup, text } = await pageOf(link)
  expect(text).toContain('Choose 2 to 6 campaigns.')
  expect(boxesIn(markup).filter(({ isChecked }) => isChecked)).toEqual([{ field: 'campaign.default', campaign: 'march', isChecked: true }])
  expect(boxesIn(markup).map(({ campaign }) => campaign)).toEqual(expect.arrayContaining(['march', 'april', 'shared']))
})

test('a search in the list keeps what is ticked', async () => {
  const { markup } = await pageOf('/compare?q=APR&choose=1&campaign.default=march&campaign.hr=shared')
  expect(boxesIn(markup)).toEqual([
    { field: 'campaign.default', campaign: 'march', isChecked: true },
    { field: 'campaign.hr', campaign: 'shared', isChecked: true },
    { field: 'campaign.default', campaign: 'april', isChecked: false },
  ])
})

test('of more than six the first six are ticked, and the page says so', async () => {
  const query = [1, 2, 3, 4, 5, 6, 7].map((i) => `campaign.default=c${i}`).join('&')
  const { markup, text } = await pageOf(`/compare?${query}`)
  expect(text).toContain('7 campaigns are chosen, and at most 6 can be compared.')
  expect(boxesIn(markup).filter(({ isChecked }) => isChecked)).toHaveLength(6)
  expect((await pageOf(`/compare?${query.replace('c7', 'c6')}`)).text).toContain('F c6')
})

test('an unknown campaign is not found, and a wrong name is refused with its field', async () => {
  expect((await get('/compare?campaign=nowhere&campaign=march')).status).toBe(404)
  const refused = await get('/compare?campaign=%00&campaign=march')
  expect([refused.status, refused.text]).toEqual([400, expect.stringContaining('campaign must have 1 to 200 characters')])
  expect((await get('/compare?campaign.%00=march')).status).toBe(400)
})

test('the overview has a box for each campaign, and a button that compares them', async () => {
  const { markup } = await pageOf('/')
  expect(boxesIn(markup).length).toBeGreaterThan(1)
  expect(markup).toMatch(/<form id="compare-form"[^>]* method="get" action="\/compare">/)
})

function boxesIn(markup: string): Array<{ field: string; campaign: string; isChecked: boolean }> {
  return [...markup.matchAll(/<input type="checkbox"[^>]* name="([^"]+)" value="([^"]+)"([^>]*)>/g)].map(
    ([, field = '', campaign = '', rest = '']) => ({ field, campaign, isChecked: rest.includes(' checked') }),
  )
}
