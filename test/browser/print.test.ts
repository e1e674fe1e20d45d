import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fillScenePeople, SCENE_PEOPLE_PAGES } from './support/people.ts'
import { endpoint, openReader, textOf } from './support/reader.ts'
import { fillScene, readScene, SCENE, SCENE_TIME } from './support/scene.ts'
import type { DashboardServer } from './support/server.ts'
import { openTwoServers, type TwoServers } from './support/two-servers.ts'

const HUNDRED = Array.from({ length: 100 }, (_, i) => `04123456789012${String(1_000 + i)}`)

let both: TwoServers
let server: DashboardServer
let withPeople: DashboardServer

beforeAll(async () => {
  if (endpoint === null) return
  both = await openTwoServers({
    ...{ fill: fillScene, fillNames: fillScenePeople, now: () => SCENE_TIME.getTime() },
    serverOptions: { now: () => SCENE_TIME, monotonicMs: () => 0, reading: readScene },
  })
  const { company } = both.plain
  await company.track({ taskId: '256271700000', campaign: 'all of them', userIds: HUNDRED, hoursAgo: 3 })
  await company.poll('256271700000', 5, { unread: HUNDRED })
  server = both.plain.server
  withPeople = both.named.server
})

afterAll(async () => {
  if (endpoint === null) return
  await both.close()
})

/** Pages of a PDF, which Chromium writes without compressing these objects. */
function countPages(pdf: Buffer): number {
  return pdf.toString('latin1').match(/\/Type\s*\/Page\b/g)?.length ?? 0
}

describe.skipIf(endpoint === null)('on paper', () => {
  test.each([
    ['en-GB', /^Figures as of .*2 March 2026.*10:30:00/, 'Unread 100'],
    ['zh-CN', /^数据截至 .*2026年3月2日.*10:30:00/, '未读 100'],
  ])('a list of a hundred has few pages, with its time, its filter and its head on each, %s', async (locale, time, filter) => {
    const page = await openReader(server.url, { locale, colorScheme: 'dark', viewport: { width: 390, height: 800 } })
    await page.clock.setFixedTime(SCENE_TIME)
    await page.goto('/tasks/256271700000')
    expect(countPages(await page.pdf({ format: 'A4' }))).toBeLessThanOrEqual(4)
    await page.emulateMedia({ media: 'print' })
    expect(await textOf(page, 'main > .printed')).toMatch(time)
    expect(await page.locator('#people tbody tr').count()).toBe(100)
    expect(await page.locator('#people .tabs li:visible').allInnerTexts()).toEqual([filter])
    expect(await page.locator('button:visible, .button:visible, input:visible, .pager:visible, .breadcrumbs:visible').count()).toBe(0)
    expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).toBe('rgb(255, 255, 255)')
    expect(await page.evaluate('getComputedStyle(document.body).color')).toBe('rgb(26, 32, 36)')
    // A head is repeated where its table is one, and no box around it scrolls.
    const around = await page.evaluate<string[]>(`(() => {
      const found = [getComputedStyle(document.querySelector('#people thead')).display]
      for (let each = document.querySelector('#people table'); each !== document.documentElement; each = each.parentElement)
        found.push(getComputedStyle(each).overflowX + ' ' + getComputedStyle(each).display)
      return [...new Set(found)]
    })()`)
    expect(around).toEqual(['table-header-group', 'visible table', 'visible block'])
  })

  test('a list that is longer says how much of it is there, and where the rest is', async () => {
    const page = await openReader(server.url, { viewport: { width: 702, height: 800 } })
    await page.goto('/campaigns/all%20of%20them?q=')
    await page.emulateMedia({ media: 'print' })
    expect(await textOf(page, '#people .note')).toBe(
      'Printed are 25 of 100. The whole list is in the file: /campaigns/all of them/people.xlsx?app=default&state=unread',
    )
    await page.goto('/campaigns/all%20of%20them?q=0412&state=all')
    expect(await textOf(page, '#people .note')).toMatch(
      /^Printed is one page of a longer list\. .*people\.xlsx\?app=default&state=all&q=0412$/,
    )
    expect(await textOf(page, '#people .search')).toBe('Find a user id')
    expect(await page.locator('#people .search input:visible').inputValue()).toBe('0412')
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(702)
  })

  test('departments are there with those below them, and a list says of which department it is', async () => {
    const page = await openReader(withPeople.url, { viewport: { width: 702, height: 800 } })
    await page.goto(`/campaigns/${encodeURIComponent(SCENE.payslips)}?department=${encodeURIComponent('总部/销售中心')}`)
    await page.emulateMedia({ media: 'print' })
    for (const name of ['总部', '销售中心', '华东大区', '上海第一分公司', 'International Operations and Customer Success'])
      expect([name, await page.locator('#departments').getByRole('rowheader', { name, exact: true }).isVisible()]).toEqual([name, true])
    expect(await textOf(page, '#people .search')).toMatch(/^Department /)
    expect(await page.locator('#people select').inputValue()).toBe('总部/销售中心')
    expect(await page.locator('#people .search input:visible').count()).toBe(0)
    await page.goto(`/campaigns/${encodeURIComponent(SCENE.payslips)}`)
    expect(await page.locator('#people .search').isVisible()).toBe(false)
    await page.goto('/?from=2026-01-01')
    expect(await page.locator('#sent-from').isVisible()).toBe(true)
    expect(await page.locator('.filter input:visible').count()).toBe(1)
  })

  test('every page fits into the paper', async () => {
    // A4 less its margins.
    const page = await openReader(server.url, { viewport: { width: 702, height: 800 } })
    await page.emulateMedia({ media: 'print' })
    for (const path of ['/', `/campaigns/${encodeURIComponent(SCENE.payslips)}?state=all`, `/tasks/${SCENE.task}?state=all`]) {
      await page.goto(path)
      expect([path, await page.evaluate('document.documentElement.scrollWidth')]).toEqual([path, 702])
    }
    const reader = await openReader(withPeople.url, { viewport: { width: 702, height: 800 } })
    await reader.emulateMedia({ media: 'print' })
    for (const path of Object.values(SCENE_PEOPLE_PAGES)) {
      await reader.goto(path)
      expect([path, await reader.evaluate('document.documentElement.scrollWidth')]).toEqual([path, 702])
    }
  })
})
