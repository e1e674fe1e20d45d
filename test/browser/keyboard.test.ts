import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { fillScenePeople, SCENE_PEOPLE_PAGES } from './support/people.ts'
import { endpoint, openReader, textOf } from './support/reader.ts'
import { fillScene, SCENE } from './support/scene.ts'
import type { DashboardServer } from './support/server.ts'
import { openTwoServers, type TwoServers } from './support/two-servers.ts'

let both: TwoServers
let server: DashboardServer
let withPeople: DashboardServer

beforeAll(async () => {
  if (endpoint === null) return
  both = await openTwoServers({ fill: fillScene, fillNames: fillScenePeople })
  server = both.plain.server
  withPeople = both.named.server
})

afterAll(async () => {
  if (endpoint === null) return
  await both.close()
})

interface Stop {
  /** Tag, and id or text; `BODY` between the last and the first. */
  readonly name: string
  /** Its number in the document: links may have one text. */
  readonly place: number
  /** It has a ring of at least two pixels, and stands inside the screen. */
  readonly isSeen: boolean
}

const READ_STOP = `(() => {
  window.stops ??= [...document.querySelectorAll('*')]
  const each = document.activeElement
  const { outlineStyle, outlineWidth, outlineColor } = getComputedStyle(each)
  const { top, bottom, left, right, width } = each.getBoundingClientRect()
  const isInside = width > 1 && bottom > 0 && top < innerHeight && right > 0 && left < innerWidth
  const isRinged = outlineStyle === 'solid' && parseFloat(outlineWidth) >= 2 && !/, 0\\)$/.test(outlineColor)
  return { name: each.tagName + ' ' + (each.id || each.textContent.trim().replace(/\\s+/g, ' ')), place: stops.indexOf(each), isSeen: isInside && isRinged }
})()`

/** One step of a keyboard, which a reader must see. */
async function step(page: Page, key: 'Tab' | 'Shift+Tab'): Promise<Stop> {
  await page.keyboard.press(key)
  const stop = await page.evaluate<Stop>(READ_STOP)
  if (!stop.name.startsWith('BODY')) expect(stop).toEqual({ ...stop, isSeen: true })
  return stop
}

/** Steps to what is meant, as a reader does. */
async function walkTo(page: Page, wanted: string | RegExp): Promise<void> {
  for (let i = 0; i < 150; i++) {
    const { name } = await step(page, 'Tab')
    if (typeof wanted === 'string' ? name === wanted : wanted.test(name)) return
  }
  throw new Error(`no Tab leads to ${wanted} on ${page.url()}`)
}

describe.skipIf(endpoint === null)('with a keyboard alone', () => {
  test.each([390, 1280])('a reader gets from the overview to one person and back, on a screen of %i pixels', async (width) => {
    const page = await openReader(server.url, { viewport: { width, height: 800 } })
    await page.goto('/')
    expect((await step(page, 'Tab')).name).toBe('A Skip to the content')
    await page.keyboard.press('Enter')
    await walkTo(page, `A ${SCENE.payslips}`)
    await page.keyboard.press('Enter')
    await page.waitForURL('**/campaigns/**')
    expect(await textOf(page, 'h1')).toBe(SCENE.payslips)

    await walkTo(page, /^A Read \d+$/)
    await page.keyboard.press('Enter')
    await page.waitForURL('**state=read*')
    await walkTo(page, 'INPUT people-search')
    await page.keyboard.type(SCENE.person)
    await page.keyboard.press('Enter')
    await page.waitForURL('**q=*')
    await walkTo(page, `A ${SCENE.person}`)
    await page.keyboard.press('Enter')
    await page.waitForURL('**/people/**')
    expect(await textOf(page, 'h1')).toContain(SCENE.person)

    await walkTo(page, `A ${SCENE.payslips}`)
    await page.keyboard.press('Enter')
    await page.waitForURL('**/campaigns/**')
    await walkTo(page, 'A Overview')
    await page.keyboard.press('Enter')
    await page.waitForURL(`${server.url}/`)
  })

  test.each([
    ['overview', '/'],
    ['campaign', `/campaigns/${encodeURIComponent(SCENE.payslips)}?state=all`],
    ['task', `/tasks/${SCENE.task}?state=all`],
  ])('the stops of a page follow each other once around, forth and back: %s', async (_name, path) => {
    const page = await openReader(server.url)
    await page.goto(path)
    const forth = await walkAround(page, 'Tab')
    expect(forth[0]?.name).toBe('A Skip to the content')
    expect(forth.length).toBeGreaterThan(10)
    await page.goto(path)
    const back = await walkAround(page, 'Shift+Tab')
    expect(back.toReversed()).toEqual(forth)
  })

  test.each(Object.entries(SCENE_PEOPLE_PAGES))('with people, too: %s', async (_name, path) => {
    const page = await openReader(withPeople.url)
    await page.goto(path)
    const forth = await walkAround(page, 'Tab')
    expect(forth[0]?.name).toBe('A Skip to the content')
    await page.goto(path)
    expect((await walkAround(page, 'Shift+Tab')).toReversed()).toEqual(forth)
  })

  test.each([390, 1280])('a reader finds who has not read in a department below another, on a screen of %i pixels', async (width) => {
    const page = await openReader(withPeople.url, { viewport: { width, height: 800 } })
    await page.goto(`/campaigns/${encodeURIComponent(SCENE.payslips)}`)
    await walkTo(page, /^SUMMARY 总部/)
    await page.keyboard.press('Enter')
    await walkTo(page, /^SUMMARY 销售中心/)
    await page.keyboard.press('Space')
    await walkTo(page, /^A \d+$/)
    await page.keyboard.press('Enter')
    await page.waitForURL('**state=unread&department=*')
    const chosen = await page.locator('#people-department').inputValue()
    expect(chosen).toMatch(/^总部\/销售中心\//)
    await walkTo(page, /^SELECT people-department/)
    await page.keyboard.press('ArrowUp')
    expect(await page.locator('#people-department').inputValue()).not.toBe(chosen)
    await walkTo(page, 'INPUT people-search')
    await page.keyboard.type('晓雨')
    await page.keyboard.press('Enter')
    await page.waitForURL('**q=*')
    await walkTo(page, /^A .晓雨$/)
    await page.keyboard.press('Enter')
    await page.waitForURL('**/people/*')
    await walkTo(page, 'A 王晓雨')
    await page.keyboard.press('Enter')
    await page.waitForFunction(`document.querySelector('h1').textContent === '王晓雨'`)
  })

  test('a reader chooses campaigns and compares them', async () => {
    const page = await openReader(withPeople.url)
    await page.goto('/')
    for (const name of [SCENE.payslips, SCENE.drill]) {
      await page.getByRole('checkbox', { name: `Compare ${name}` }).focus()
      await page.keyboard.press('Space')
    }
    await walkTo(page, 'BUTTON Compare')
    await page.keyboard.press('Enter')
    await page.waitForURL('**/compare?*')
    expect(await page.locator('#figures tbody tr').count()).toBe(2)
  })

  test('a folded table opens, and a wide one scrolls', async () => {
    const page = await openReader(server.url, { viewport: { width: 720, height: 800 }, bypassCSP: true })
    await page.goto(`/tasks/${SCENE.task}?state=all`)
    await walkTo(page, /^SUMMARY The same as a table/)
    await page.keyboard.press('Enter')
    expect(await page.locator('#polls-table').getAttribute('open')).not.toBeNull()
    await page.setViewportSize({ width: 705, height: 800 })
    await page.addStyleTag({ content: '#polls-table table { min-width: 60rem }' })
    await walkTo(page, /^DIV Poll/)
    await page.keyboard.press('ArrowRight')
    await page.waitForFunction(`document.querySelector('#polls-table .table').scrollLeft > 0`)
  })
})

/** All stops until the page's end. */
async function walkAround(page: Page, key: 'Tab' | 'Shift+Tab'): Promise<Stop[]> {
  const stops: Stop[] = []
  for (let i = 0; i < 300; i++) {
    const stop = await step(page, key)
    if (stop.name.startsWith('BODY') || stop.place === stops[0]?.place) return stops
    stops.push(stop)
  }
  throw new Error(
    `${key} does not come around: ${stops
      .slice(-5)
      .map(({ name }) => name)
      .join(', ')}`,
  )
}
