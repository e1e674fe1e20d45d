import axe, { type Result } from 'axe-core'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts'
import { type Company, fillCompany, openCompany, PAGES } from './support/company.ts'
import { endpoint, openReader } from './support/reader.ts'
import { type DashboardServer, startDashboard } from './support/server.ts'

let database: TestDatabase
let company: Company
let open: DashboardServer
let locked: DashboardServer
let empty: TestDatabase
let fresh: DashboardServer

beforeAll(async () => {
  if (endpoint === null) return
  database = await createTestDatabase({ migrated: true })
  empty = await createTestDatabase({ migrated: true })
  company = openCompany(database.url)
  await fillCompany(company)
  open = await startDashboard({ databaseUrl: database.url })
  locked = await startDashboard({ databaseUrl: database.url, apiToken: 'token' })
  fresh = await startDashboard({ databaseUrl: empty.url })
})

afterAll(async () => {
  if (endpoint === null) return
  for (const each of [open, locked, fresh]) await each.close()
  await company.close()
  await database.drop()
  await empty.drop()
})

describe.skipIf(endpoint === null)('axe finds nothing', () => {
  test.each(Object.entries(PAGES))('in the %s', async (name, path) => {
    const page = await openForAxe(open.url)
    expect((await page.goto(path))?.status()).toBe(STATUS[name] ?? 200)
    await openAll(page)
    expect(await violations(page)).toEqual([])
  })

  test('in the login and the first page', async () => {
    for (const { url } of [locked, fresh]) {
      const page = await openForAxe(url)
      await page.goto('/')
      expect([url, await violations(page)]).toEqual([url, []])
    }
  })
})

/** The script of axe comes from the test and not from the server, which the policy rightly refuses. */
function openForAxe(url: string): Promise<Page> {
  return openReader(url, { bypassCSP: true })
}

const STATUS: Readonly<Record<string, number>> = { 'several apps': 409, 'not here': 404 }

/** What is folded is part of the page, too. */
async function openAll(page: Page): Promise<void> {
  await page.evaluate(`for (const each of document.querySelectorAll('details')) each.open = true`)
}

/** In English, in Chinese, and in the dark, where nothing is different but the colours. */
async function violations(page: Page): Promise<string[]> {
  await page.addScriptTag({ content: axe.source })
  const english = await violationsNow(page)
  await page.emulateMedia({ colorScheme: 'dark' })
  const dark = await violationsNow(page, 'color-contrast')
  await page.emulateMedia({ colorScheme: 'light' })
  await page.getByRole('button', { name: '中文' }).click()
  await page.locator('html[lang="zh-CN"]').waitFor()
  await page.waitForLoadState()
  await openAll(page)
  await page.addScriptTag({ content: axe.source })
  return [...english, ...dark, ...(await violationsNow(page))]
}

async function violationsNow(page: Page, rule?: string): Promise<string[]> {
  const options = JSON.stringify(rule === undefined ? {} : { runOnly: rule })
  const [found, where] = await page.evaluate<[Result[], string]>(
    `axe.run(${options}).then(({ violations }) => [violations, document.documentElement.lang + ' ' + matchMedia('(prefers-color-scheme: dark)').matches])`,
  )
  return found.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${where} ${id}: ${html} ${failureSummary}`))
}
