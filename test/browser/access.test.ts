import axe, { type Result, type RunOptions } from 'axe-core'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts'
import { type Company, fillCompany, openCompany, PAGES } from './support/company.ts'
import { fillPeople, PEOPLE_PAGES, REFUSED_PAGE } from './support/people.ts'
import { endpoint, openReader, signIn } from './support/reader.ts'
import { type DashboardServer, startDashboard } from './support/server.ts'

let database: TestDatabase
let company: Company
let open: DashboardServer
let locked: DashboardServer
let empty: TestDatabase
let fresh: DashboardServer
let named: TestDatabase
let namedCompany: Company
let withPeople: DashboardServer

beforeAll(async () => {
  if (endpoint === null) return
  database = await createTestDatabase({ migrated: true })
  empty = await createTestDatabase({ migrated: true })
  company = openCompany(database.url)
  await fillCompany(company)
  open = await startDashboard({ databaseUrl: database.url })
  locked = await startDashboard({ databaseUrl: database.url, apiToken: 'token' })
  fresh = await startDashboard({ databaseUrl: empty.url })
  named = await createTestDatabase({ migrated: true })
  namedCompany = openCompany(named.url)
  await fillCompany(namedCompany)
  await fillPeople(namedCompany)
  withPeople = await startDashboard({ databaseUrl: named.url })
})

afterAll(async () => {
  if (endpoint === null) return
  for (const each of [open, locked, fresh, withPeople]) await each.close()
  for (const each of [company, namedCompany]) await each.close()
  for (const each of [database, empty, named]) await each.drop()
})

const WIDTHS = [360, 390, 820, 1280]

describe.skipIf(endpoint === null).each(['en-GB', 'zh-CN'])(
  'axe finds nothing, at every width, light and dark, %s,',
  { timeout: 300_000 },
  (locale) => {
    // The script of axe comes from the test and not from the server, which the policy rightly refuses.
    const openForAxe = (url: string): Promise<Page> => openReader(url, { locale, bypassCSP: true })

    test.each(Object.entries(PAGES))('in the page: %s', async (name, path) => {
      const page = await openForAxe(open.url)
      expect((await page.goto(path))?.status()).toBe(STATUS[name] ?? 200)
      await openAll(page)
      expect(await violations(page)).toEqual([])
    })

    test.each(Object.entries(PEOPLE_PAGES))('with people in the page: %s', async (_name, path) => {
      const page = await openForAxe(withPeople.url)
      expect((await page.goto(path))?.status()).toBe(200)
      await openAll(page)
      expect(await violations(page)).toEqual([])
    })

    test('in the refusal of a page with names', async () => {
      const page = await openForAxe(locked.url)
      await signIn(page, 'token')
      expect((await page.goto(REFUSED_PAGE))?.status()).toBe(403)
      expect(await violations(page)).toEqual([])
    })

    test('in the login and the first page', async () => {
      for (const { url } of [locked, fresh]) {
        const page = await openForAxe(url)
        await page.goto('/')
        expect([url, await violations(page)]).toEqual([url, []])
      }
    })
  },
)

const STATUS: Readonly<Record<string, number>> = { 'several apps': 409, 'not here': 404 }

/** What is folded is part of the page, too. */
async function openAll(page: Page): Promise<void> {
  await page.evaluate(`for (const each of document.querySelectorAll('details')) each.open = true`)
}

/** In the dark nothing is different but the colours; what is shown differs with the width. */
async function violations(page: Page): Promise<string[]> {
  await page.addScriptTag({ content: axe.source })
  const found: string[] = []
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 800 })
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      const options: RunOptions = colorScheme === 'light' ? {} : { runOnly: 'color-contrast' }
      found.push(...(await violationsNow(page, options)).map((violation) => `${width} ${colorScheme}: ${violation}`))
    }
  }
  return found
}

async function violationsNow(page: Page, options: RunOptions): Promise<string[]> {
  const found = await page.evaluate<Result[]>(
    `axe.run(${JSON.stringify({ resultTypes: ['violations'], ...options })}).then(({ violations }) => violations)`,
  )
  return found.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`))
}
