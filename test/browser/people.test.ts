import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fillCompany } from './support/company.ts'
import { type CompanyServer, openCompanyServer } from './support/company-server.ts'
import { fillPeople } from './support/people.ts'
import { endpoint, openReader, textOf } from './support/reader.ts'
import type { DashboardServer } from './support/server.ts'

let opened: CompanyServer
let server: DashboardServer

beforeAll(async () => {
  if (endpoint === null) return
  opened = await openCompanyServer({ fill: [fillCompany, fillPeople] })
  server = opened.server
})

afterAll(async () => {
  if (endpoint !== null) await opened.close()
})

const listed = (page: Page): Promise<string[]> => page.locator('#people tbody th').allInnerTexts()

describe.skipIf(endpoint === null)('a reader who may see names', () => {
  test('finds who has not read in a department, opens one of them, and sees all that they were sent', async () => {
    const page = await openReader(server.url)
    await page.goto('/campaigns/payroll-11')
    expect(await textOf(page, '#departments tbody tr:first-child')).toMatch(/^总部 \d+ of \d+ \d+\.\d% \d+$/)
    await page.locator('#departments summary', { hasText: '销售部' }).click()
    const unread = page.locator('#departments tr[data-key="总部/销售部/华南"] a')
    const count = Number(await unread.innerText())
    await unread.click()
    await page.waitForURL('**state=unread&department=*#people')
    expect(await page.locator('#people-department').inputValue()).toBe('总部/销售部/华南')
    expect(await listed(page)).toHaveLength(count)

    await page.getByLabel('Name or user id').fill('员工31')
    await page.keyboard.press('Enter')
    await page.waitForURL('**q=*')
    expect((await listed(page)).map((text) => text.replaceAll(/\s+/g, ' '))).toEqual(['员工31 user-031'])
    await page.locator('#people').getByRole('link', { name: '员工31' }).click()
    await page.waitForURL('**/people/user-031?app=default')
    expect(await textOf(page, 'h1')).toBe('员工31')
    expect(await textOf(page, '#sent tbody tr')).toMatch(/^payroll-11 .*Unread unread as of/)
    await page.locator('#sent').getByRole('link', { name: 'Polls of task 1001' }).click()
    await page.waitForURL('**/tasks/1001/people/user-031?app=default')
    await page.getByRole('link', { name: 'Everything sent to this person' }).click()
    await page.waitForURL('**/people/user-031?app=default')
    await page.locator('.facts').getByRole('link', { name: '员工1' }).click()
    await page.waitForURL('**/people/user-001?app=default')
  })

  test('chooses a department in the list of a task without a script', async () => {
    const page = await openReader(server.url, { javaScriptEnabled: false })
    await page.goto('/tasks/1001?state=all')
    await page.getByLabel('Department').selectOption('总部/研发部')
    await page.locator('#people').getByRole('button', { name: 'Search' }).click()
    const found = await listed(page)
    expect(found.length).toBeGreaterThan(10)
    expect(new Set(await page.locator('#people td.department').allInnerTexts())).toEqual(new Set(['总部/研发部; 总部/销售部/华北']))
    await page.getByRole('link', { name: 'Show all' }).click()
    expect((await listed(page)).length).toBeGreaterThan(found.length)
  })

  test('finds a person from the overview', async () => {
    const page = await openReader(server.url)
    await page.goto('/')
    await page.getByLabel('Campaign, task id, name or user id').fill('员工77')
    await page.getByRole('button', { name: 'Search' }).click()
    await page.locator('#found').getByRole('link', { name: '员工77' }).click()
    await page.waitForURL('**/people/user-077?app=default')
    expect(await textOf(page, 'h1')).toBe('员工77')
  })

  test('compares campaigns that are ticked on the overview, and chooses another one', async () => {
    const page = await openReader(server.url)
    await page.goto('/')
    await page.getByRole('checkbox', { name: 'Compare payroll-11' }).check()
    await page.getByRole('checkbox', { name: 'Compare fire-drill' }).check()
    await page.getByRole('button', { name: 'Compare', exact: true }).click()
    await page.waitForURL('**/compare?*')
    expect((await page.locator('#figures tbody tr').allInnerTexts()).map((text) => text.replaceAll(/\s+/g, ' '))).toEqual([
      expect.stringMatching(/^ ?A payroll-11 38\.5% 30 78 80 /),
      expect.stringMatching(/^ ?B fire-drill 50\.0% 1 2 3 /),
    ])
    expect(await page.locator('#curves path.compared-line').count()).toBe(2)
    await page.getByRole('link', { name: 'Choose other campaigns' }).click()
    await page.getByRole('checkbox', { name: /^fire-drill/ }).uncheck()
    await page.getByLabel('Campaign', { exact: true }).fill('shared')
    await page.keyboard.press('Enter')
    await page.waitForURL('**q=shared*')
    await page.getByRole('checkbox', { name: /^shared hr/ }).check()
    await page.getByRole('button', { name: 'Compare', exact: true }).click()
    await page.waitForURL((url) => !url.searchParams.has('choose'))
    expect(await page.locator('#figures tbody th').allInnerTexts()).toEqual([
      expect.stringContaining('payroll-11'),
      expect.stringContaining('shared'),
    ])
  })

  test('keeps a folded department open while the page loads its figures again', async () => {
    const page = await openReader(server.url)
    await page.clock.install()
    await page.goto('/campaigns/payroll-11')
    await page.locator('#departments summary', { hasText: '销售部' }).click()
    const asked = page.waitForResponse((response) => response.url().includes('/campaigns/'))
    await page.clock.runFor(6_000)
    await (await asked).finished()
    expect(await page.locator('#departments tr[data-key="总部/销售部/华南"]').isVisible()).toBe(true)
  })
})
