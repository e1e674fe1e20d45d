import { createRequire } from 'node:module'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts'
import { type Company, fillCompany, openCompany, PAGES } from './support/company.ts'
import { endpoint, openReader } from './support/reader.ts'
import { type DashboardServer, startDashboard } from './support/server.ts'

/** What axe finds, as far as it is told here. */
interface Violation {
  readonly id: string
  readonly nodes: ReadonlyArray<{ readonly html: string; readonly failureSummary: string }>
}

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js')

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
  // Both languages and both themes: no colour depends on a language, and no word on a theme.
  test.each([
    ['en-GB', 'light'],
    ['zh-CN', 'dark'],
  ] as const)('in %s, %s', async (locale, colorScheme) => {
    // The script of axe comes from the test and not from the server, which the policy rightly refuses.
    const page = await openReader(open.url, { locale, colorScheme, bypassCSP: true })
    for (const [name, path] of Object.entries(PAGES)) {
      await page.goto(path)
      expect([name, await violations(page)]).toEqual([name, []])
    }
  })

  test.each(['light', 'dark'] as const)('in the login and the first page, %s', async (colorScheme) => {
    for (const { url } of [locked, fresh]) {
      const page = await openReader(url, { colorScheme, bypassCSP: true })
      await page.goto('/')
      expect(await violations(page)).toEqual([])
    }
  })
})

async function violations(page: Awaited<ReturnType<typeof openReader>>): Promise<string[]> {
  await page.addScriptTag({ path: AXE })
  const found = (await page.evaluate('axe.run().then(({ violations }) => violations)')) as Violation[]
  return found.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`))
}
