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
  test.each(['en-GB', 'zh-CN'])('in the pages, light and dark, %s', async (locale) => {
    // The script of axe comes from the test and not from the server, which the policy rightly refuses.
    const page = await openReader(open.url, { locale, bypassCSP: true })
    for (const [name, path] of Object.entries(PAGES)) {
      const status = (await page.goto(path))?.status()
      expect([name, status]).toEqual([name, STATUS[name] ?? 200])
      await openAll(page)
      expect([name, await violations(page)]).toEqual([name, []])
    }
  })

  test.each(['en-GB', 'zh-CN'])('in the login and the first page, light and dark, %s', async (locale) => {
    for (const { url } of [locked, fresh]) {
      const page = await openReader(url, { locale, bypassCSP: true })
      await page.goto('/')
      expect([url, await violations(page)]).toEqual([url, []])
    }
  })
})

const STATUS: Readonly<Record<string, number>> = { 'several apps': 409, 'not here': 404 }

/** What is folded is part of the page, too. */
async function openAll(page: Page): Promise<void> {
  await page.evaluate(`for (const each of document.querySelectorAll('details')) each.open = true`)
}

async function violations(page: Page): Promise<string[]> {
  await page.addScriptTag({ content: axe.source })
  const found: string[] = []
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    found.push(...(await violationsNow(page)).map((violation) => `${colorScheme}: ${violation}`))
  }
  return found
}

async function violationsNow(page: Page): Promise<string[]> {
  const found = await page.evaluate<Result[]>('axe.run().then(({ violations }) => violations)')
  return found.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`))
}
