import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTestDatabase } from '../support/postgres.ts'
import { until } from '../support/wait.ts'
import { type Company, openCompany } from './support/company.ts'
import { type CompanyServer, openCompanyServer } from './support/company-server.ts'
import { endpoint, letItRefresh, openReader, textOf } from './support/reader.ts'
import { type DashboardServer, startDashboard } from './support/server.ts'

let opened: CompanyServer
let company: Company
let server: DashboardServer

async function fill(given: Company): Promise<void> {
  await given.track({ taskId: '1', campaign: 'news', userIds: ['ann', 'bob', 'carol'], hoursAgo: 2 })
  await given.poll('1', 5, { unread: ['ann', 'bob', 'carol'] })
}

beforeAll(async () => {
  if (endpoint === null) return
  opened = await openCompanyServer({ fill: [fill] })
  ;({ company, server } = opened)
})

afterAll(async () => {
  if (endpoint !== null) await opened.close()
})

describe.skipIf(endpoint === null)('a page that is open', () => {
  test('shows a new read by itself, and leaves the reader where they were', async () => {
    const page = await openReader(server.url)
    await page.clock.install()
    await page.goto('/tasks/1?state=all')
    await page.evaluate('window.isTheSamePage = true')
    await page.locator('#polls-table summary').click()
    await page.getByLabel('Find a user id').fill('car')
    await company.poll('1', 30, { read: ['ann'], unread: ['bob', 'carol'] })
    await letItRefresh(page)
    await until(async () => (await textOf(page, 'section.headline')).startsWith('33.3% 1 of 3'), { what: 'the new read is shown' })
    expect(await textOf(page, '#people tr:has-text("ann")')).toContain('read between')
    expect(await page.evaluate('window.isTheSamePage')).toBe(true)
    expect(await page.getByLabel('Find a user id').inputValue()).toBe('car')
    expect(await page.evaluate('document.activeElement.id')).toBe('people-search')
    expect(await page.locator('#polls tbody tr:nth-child(2)').isVisible()).toBe(true)
    expect(await textOf(page, '#updated')).toBe('Updated just now')
  })

  test('says when the server is away, keeps what it knew, and goes on when it is back', async () => {
    const page = await openReader(server.url)
    await page.clock.install()
    await page.goto('/campaigns/news')
    await server.stop()
    // The browser itself says that it cannot connect: that is the point here.
    page.removeAllListeners('console')
    await letItRefresh(page)
    await page.locator('#away').waitFor()
    expect(await textOf(page, '#away')).toMatch(
      /^No new figures: the server or its database does not answer\. These figures were loaded (just now|.+ ago)\.$/,
    )
    expect(await textOf(page, 'h1')).toBe('news')
    await server.restart()
    await letItRefresh(page)
    await page.locator('#away').waitFor({ state: 'hidden' })
  })

  test('tells times as distances that stay right, in the language of the page', async () => {
    const page = await openReader(server.url, { locale: 'zh-CN' })
    await page.clock.install()
    await page.goto('/campaigns/news')
    expect(await textOf(page, '#updated')).toBe('刚刚更新')
    expect(await textOf(page, 'section.headline .sentence')).toMatch(/（[12]小时前）/)
    await page.route('**/campaigns/news', (route) => route.abort())
    // The browser itself says that a request failed: that is the point here.
    page.removeAllListeners('console')
    await page.clock.runFor(30_000)
    expect(await textOf(page, '#updated')).toMatch(/^[2-5]\d秒钟前更新$/)
    await page.clock.fastForward(5 * 60_000)
    expect(await textOf(page, '#updated')).toMatch(/^[56789]分钟前更新$/)
    await page.clock.fastForward(3 * 3_600_000)
    expect(await textOf(page, 'section.headline .sentence')).toMatch(/（[45]小时前）/)
  })

  test('fills when the first task is tracked', async () => {
    const empty = await createTestDatabase({ migrated: true })
    const first = openCompany(empty.url)
    const fresh = await startDashboard({ databaseUrl: empty.url })
    try {
      const page = await openReader(fresh.url)
      await page.clock.install()
      await page.goto('/')
      expect(await textOf(page, 'h1')).toBe('Nothing is tracked yet')
      await first.track({ taskId: '1', campaign: 'news', userIds: ['ann'], hoursAgo: 0 })
      await letItRefresh(page)
      await page.getByRole('heading', { name: 'Overview', level: 1 }).waitFor()
      expect(await page.locator('.campaigns h3').allInnerTexts()).toEqual(['news'])
      expect(await page.title()).toBe('Overview · Delivery tracker')
    } finally {
      await fresh.close()
      await first.close()
      await empty.drop()
    }
  })

  test('shows an error when its campaign is gone', async () => {
    await company.track({ taskId: '2', campaign: 'old news', userIds: ['ann'], hoursAgo: 2 })
    const page = await openReader(server.url)
    await page.clock.install()
    await page.goto('/campaigns/old%20news')
    await company.sql(`DELETE FROM delivery_task WHERE task_id = '2'`)
    await letItRefresh(page)
    await page.getByRole('heading', { name: 'Not found', level: 1 }).waitFor()
    expect(await page.locator('#away').isVisible()).toBe(false)
  })

  test('with costly figures shows their age, and refreshes after five times their cost', async () => {
    let nowMs = 0
    const costly = await startDashboard({
      databaseUrl: opened.databaseUrl,
      monotonicMs: () => nowMs,
      reading: (rates) => ({
        ...rates,
        readTimes: async (of) => {
          nowMs += 12_000
          return await rates.readTimes(of)
        },
      }),
    })
    try {
      const page = await openReader(costly.url)
      await page.clock.install()
      await page.goto('/campaigns/news')
      expect(await textOf(page, '#updated')).toMatch(/^Updated 1\d seconds ago$/)
      const asked: string[] = []
      page.on('request', (request) => asked.push(request.url()))
      await page.clock.runFor(50_000)
      expect(asked).toEqual([])
      await letItRefresh(page)
      // They were kept meanwhile, on the clock of the server, which stands still.
      await until(async () => /^Updated [12]\d seconds ago$/.test(await textOf(page, '#updated')), {
        what: 'the age is that of the figures',
      })
    } finally {
      await costly.close()
    }
  })

  test('sends no request while it is hidden', async () => {
    const page = await openReader(server.url)
    await page.clock.install()
    await page.goto('/campaigns/news')
    let requests = 0
    page.on('request', () => {
      requests += 1
    })
    await page.evaluate(
      `Object.defineProperty(document, 'hidden', { value: true, configurable: true }); document.dispatchEvent(new Event('visibilitychange'))`,
    )
    await page.clock.runFor(120_000)
    expect(requests).toBe(0)
    const asked = page.waitForRequest('**/campaigns/news')
    await page.evaluate(`delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))`)
    await asked
  })
})
