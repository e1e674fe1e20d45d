import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts'
import { type Company, openCompany } from './support/company.ts'
import { endpoint, letItRefresh, openReader, textOf } from './support/reader.ts'
import { type DashboardServer, startDashboard } from './support/server.ts'

const TOKEN = 'a-token-that-only-the-test-knows'
const HOUR_MS = 3_600_000

let database: TestDatabase
let company: Company
let server: DashboardServer
let aheadMs = 0

beforeAll(async () => {
  if (endpoint === null) return
  database = await createTestDatabase({ migrated: true })
  company = openCompany(database.url)
  await company.track({ taskId: '1', campaign: 'news', userIds: ['ann'], hoursAgo: 2 })
})

beforeEach(async ({ onTestFinished }) => {
  if (endpoint === null) return
  aheadMs = 0
  const mine = await startDashboard({ databaseUrl: database.url, apiToken: TOKEN, now: () => new Date(Date.now() + aheadMs) })
  server = mine
  onTestFinished(() => mine.close())
})

afterAll(async () => {
  if (endpoint === null) return
  await company.close()
  await database.drop()
})

describe.skipIf(endpoint === null)('signing in', () => {
  test('leads to the page that was asked for, and out again', async () => {
    const page = await openReader(server.url)
    await page.goto('/campaigns/news?state=all')
    expect(new URL(page.url()).pathname).toBe('/login')
    expect(await page.content()).not.toContain('ann')
    await page.getByLabel('API token').fill(TOKEN)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.waitForURL('**/campaigns/news?state=all')
    const cookie = (await page.context().cookies()).find(({ name }) => name === 'delivery_session')
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Strict', secure: false })
    expect(cookie?.value).not.toContain(TOKEN)
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.waitForURL('**/login')
    await page.goto('/')
    expect(new URL(page.url()).pathname).toBe('/login')
  })

  test('with a wrong token does not, and many wrong ones keep the right one out no more than one does', async () => {
    const page = await openReader(server.url)
    const enter = async (token: string): Promise<string> => {
      await page.goto('/login')
      await page.getByLabel('API token').fill(token)
      await page.getByRole('button', { name: 'Sign in' }).click()
      return textOf(page, '[role=alert]')
    }
    for (let i = 0; i < 5; i++) expect(await enter(`wrong ${i}`)).toContain('This is not the token')
    expect(await enter('wrong again')).toContain('too many wrong attempts in the last minute')
    await page.getByLabel('API token').fill(TOKEN)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.waitForURL(`${server.url}/`)
  })

  test('ends by itself, and a cookie that somebody made opens nothing', async () => {
    const page = await openReader(server.url)
    await page.goto('/login')
    await page.getByLabel('API token').fill(TOKEN)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.waitForURL(`${server.url}/`)
    aheadMs = 13 * HOUR_MS
    await page.goto('/')
    expect(new URL(page.url()).pathname).toBe('/login')
    const value = `${Date.now() + 99 * HOUR_MS}.AAAA`
    await page.context().addCookies([{ name: 'delivery_session', value, url: server.url }])
    await page.goto('/')
    expect(new URL(page.url()).pathname).toBe('/login')
  })

  test('a page that is open when the session ends leads to the login, and back', async () => {
    const page = await openReader(server.url)
    await page.clock.install()
    await page.goto('/campaigns/news?state=all')
    await page.getByLabel('API token').fill(TOKEN)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.waitForURL('**/campaigns/news?state=all')
    aheadMs = 13 * HOUR_MS
    await letItRefresh(page)
    await page.waitForURL('**/login?next=*')
    await page.getByLabel('API token').fill(TOKEN)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.waitForURL('**/campaigns/news?state=all')
    expect(await textOf(page, 'h1')).toBe('news')
  })

  test('never leads to another site', async () => {
    const page = await openReader(server.url)
    for (const next of [
      'https://evil.example/',
      '//evil.example',
      '/\\evil.example',
      'javascript:alert(1)',
      '/\t/evil.example',
      '/.//evil.example',
    ]) {
      await page.goto(`/login?next=${encodeURIComponent(next)}`)
      expect([next, await page.locator('input[name=next]').inputValue()]).toEqual([next, '/'])
    }
  })

  test('guards the file and the page of one person too, and leaves style and script open', async () => {
    const page = await openReader(server.url)
    for (const path of ['/campaigns/news/people.csv', '/tasks/1/people.csv', '/tasks/1', '/tasks/1/people/ann', '/nowhere']) {
      await page.goto(path)
      expect([path, new URL(page.url()).pathname]).toEqual([path, '/login'])
    }
    expect(await page.evaluate('document.styleSheets.length')).toBe(1)
  })
})
