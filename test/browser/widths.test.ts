import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fillCompany, PAGES } from './support/company.ts'
import { fillPeople, fillScenePeople, PEOPLE_PAGES, SCENE_PEOPLE_PAGES } from './support/people.ts'
import { endpoint, openReader, textOf } from './support/reader.ts'
import { fillScene, SCENE } from './support/scene.ts'
import type { DashboardServer } from './support/server.ts'
import { openTwoServers, type TwoServers } from './support/two-servers.ts'

/** Pages with long names and real ids beside those of the company. */
const SHOWN = {
  ...PAGES,
  'long names': `/campaigns/${encodeURIComponent(SCENE.payslips)}?state=all`,
  'real ids': `/tasks/${SCENE.task}?state=all`,
}

const SHOWN_WITH_PEOPLE = { ...PEOPLE_PAGES, ...SCENE_PEOPLE_PAGES }

/** 640 is a screen of 1,280 at 200 %. */
const SCREENS = ['en-GB', 'zh-CN'].flatMap((locale) => [320, 360, 390, 640, 820, 1280].map((width) => ({ locale, width })))

let both: TwoServers
let server: DashboardServer
let withPeople: DashboardServer

beforeAll(async () => {
  if (endpoint === null) return
  both = await openTwoServers({
    async fill(company) {
      await fillCompany(company)
      await fillScene(company)
    },
    async fillNames(company) {
      await fillPeople(company)
      await fillScenePeople(company)
    },
  })
  server = both.plain.server
  withPeople = both.named.server
})

afterAll(async () => {
  if (endpoint === null) return
  await both.close()
})

/** Parts that are cut off at the side of the page without a way to reach them, and scrolling ones without a cue. */
const FIND_CUT = `(() => {
  const wide = document.documentElement.clientWidth
  const scrolls = (each) => each.scrollWidth > each.clientWidth + 1
  const boxes = [...document.querySelectorAll('.table, pre')].filter(scrolls)
  const silent = boxes.filter((box) => !getComputedStyle(box).backgroundImage.includes('gradient') || box.tabIndex !== 0)
  const cut = [...document.querySelectorAll('main *, header *, footer *')].filter((each) => {
    const { right, width, height } = each.getBoundingClientRect()
    return width > 1 && height > 1 && right > wide + 1 && !boxes.some((box) => box.contains(each)) && !each.closest('svg, .unseen, thead')
  })
  return [...silent.map((each) => 'no cue: ' + each.className), ...cut.map((each) => 'cut: ' + each.outerHTML.slice(0, 80))]
})()`

describe.skipIf(endpoint === null)('at every width', { timeout: 300_000 }, () => {
  test.each(SCREENS)('of $width pixels no page scrolls sideways, and nothing is cut off without a cue, $locale', async (screen) => {
    const { locale, width } = screen
    for (const [of, pages] of [[server, SHOWN] as const, [withPeople, SHOWN_WITH_PEOPLE] as const]) {
      const page = await openReader(of.url, { locale, viewport: { width, height: 800 } })
      for (const [name, path] of Object.entries(pages)) {
        await page.goto(path)
        await page.evaluate(`for (const each of document.querySelectorAll('details')) each.open = true`)
        expect([name, await page.evaluate('document.documentElement.scrollWidth')]).toEqual([name, width])
        expect([name, await page.evaluate(FIND_CUT)]).toEqual([name, []])
      }
    }
  })

  test.each([360, 390, 640, 820, 1280])('of %i pixels a task has its campaign, its rate and its time', async (width) => {
    const page = await openReader(server.url, { viewport: { width, height: 800 } })
    await page.goto('/')
    const row = page.locator(`#tasks tbody tr:has-text("${SCENE.task}")`)
    for (const text of [SCENE.payslips, '63.3%', '19 of 30']) expect(await row.getByText(text).isVisible()).toBe(true)
    expect((await row.locator('time').allInnerTexts()).length).toBe(2)
    for (const each of await row.locator('time').all()) expect(await each.isVisible()).toBe(true)
    // Room for eight Chinese characters at least.
    expect((await row.getByText(SCENE.payslips).boundingBox())?.width).toBeGreaterThan(8 * 16 - 1)
  })

  test('of a telephone each row is a card whose cells have their names, once for the eye and once for a screen reader', async () => {
    const page = await openReader(server.url, { viewport: { width: 390, height: 800 } })
    await page.goto('/')
    const row = page.locator(`#tasks tbody tr:has-text("${SCENE.task}")`)
    const label = (name: string): Promise<string> =>
      page.evaluate(`getComputedStyle(document.querySelector('#tasks td[data-label="${name}"]'), '::before').content`)
    expect(await label('Rate')).toBe('"Rate" / ""')
    expect(await page.getByRole('columnheader', { name: 'Campaign' }).count()).toBe(1)
    expect(await row.getByRole('rowheader').innerText()).toContain(SCENE.task)
    expect(await row.getByRole('cell').count()).toBe(7)
    const [head, campaign] = [await row.locator('th').boundingBox(), await row.locator('td').first().boundingBox()]
    expect(campaign?.y).toBeGreaterThan(head?.y ?? Number.NaN)
    expect(campaign?.x).toBe(head?.x)
  })

  test('of a tablet rows are a table', async () => {
    const page = await openReader(server.url, { viewport: { width: 820, height: 800 } })
    await page.goto('/')
    expect(await page.evaluate(`getComputedStyle(document.querySelector('#tasks tbody tr')).display`)).toBe('table-row')
    expect(await textOf(page, '#tasks thead')).toBe('Task Campaign Sent Status Read Rate As of')
  })
})
