import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../support/wait.ts'
import type { Company } from './support/company.ts'
import { type CompanyServer, openCompanyServer } from './support/company-server.ts'
import { endpoint, letItRefresh, openReader, textOf } from './support/reader.ts'
import type { DashboardServer } from './support/server.ts'

let opened: CompanyServer
let company: Company
let server: DashboardServer

const STAFF = Array.from({ length: 8 }, (_, i) => `user-${i}`)

async function fill(given: Company): Promise<void> {
  await given.track({ taskId: '1', campaign: 'news', userIds: STAFF, hoursAgo: 3 })
  await given.poll('1', 10, { unread: STAFF })
  await given.poll('1', 60, { read: STAFF.slice(0, 3), unread: STAFF.slice(3) })
  await given.poll('1', 120, { read: STAFF.slice(0, 5), unread: STAFF.slice(5) })
}

beforeAll(async () => {
  if (endpoint === null) return
  opened = await openCompanyServer({ fill: [fill] })
  ;({ company, server } = opened)
})

afterAll(async () => {
  if (endpoint !== null) await opened.close()
})

type Reader = Awaited<ReturnType<typeof openReader>>

const readout = (page: Reader): Promise<string> => textOf(page, '.readout')

/** A place in the plot, as a share of the time that it shows. */
async function placeAt(page: Reader, share: number): Promise<{ x: number; y: number }> {
  const box = await page.locator('.stage rect.unknown').boundingBox()
  if (box === null) throw new Error('no plot')
  return { x: box.x + share * box.width, y: box.y + box.height / 2 }
}

/** Three hours have gone by, and they are 85 % of the plot. */
const MINUTE = 0.85 / 180

describe.skipIf(endpoint === null)('the values of a read curve', () => {
  test('are those of the latest poll at first, and under the pointer those of the nearest', async () => {
    const page = await openReader(server.url)
    await page.goto('/tasks/1')
    expect(await readout(page)).toMatch(/^\d+ \w+, \d\d:\d\d 2 hrs after the send: 5 of 8 known to have read \(62\.5%\)$/)
    await page.locator('.stage').scrollIntoViewIfNeeded()
    for (const [minutes, text] of [
      [1, 'At the send: 0 had read'],
      [12, '10 mins after the send: 0 of 8 known to have read (0.0%)'],
      [65, '1 hr after the send: 3 of 8 known to have read (37.5%)'],
      [178, 'Since the last successful poll: at least 5 of 8; later reads are not known'],
    ] as const) {
      const { x, y } = await placeAt(page, minutes * MINUTE)
      await page.mouse.move(x, y)
      expect(await readout(page)).toContain(text)
      expect(await page.locator('g.cursor').getAttribute('visibility')).toBe('visible')
    }
    await page.mouse.move(5, 5)
    expect(await readout(page)).toContain('2 hrs after the send')
    expect(await page.locator('g.cursor').getAttribute('visibility')).toBe('hidden')
  })

  test('are read with the keys alone, and told to screen readers', async () => {
    const page = await openReader(server.url)
    await page.goto('/tasks/1')
    const stage = page.getByRole('slider', { name: 'Values of the read curve' })
    await stage.focus()
    const told = (): Promise<string | null> => stage.getAttribute('aria-valuetext')
    expect(await told()).toContain('2 hrs after the send: 5 of 8')
    await page.keyboard.press('ArrowLeft')
    expect(await told()).toContain('1 hr after the send: 3 of 8')
    expect(await readout(page)).toContain('1 hr after the send: 3 of 8')
    await page.keyboard.press('Home')
    expect(await told()).toContain('At the send')
    await page.keyboard.press('ArrowLeft')
    expect(await told()).toContain('At the send')
    await page.keyboard.press('End')
    expect(await told()).toContain('later reads are not known')
    await page.keyboard.press('Tab')
    expect(await readout(page)).toContain('2 hrs after the send')
  })

  test('are shown by a touch, and stay until another place is touched', async () => {
    const page = await openReader(server.url, { hasTouch: true, viewport: { width: 390, height: 800 } })
    await page.goto('/tasks/1')
    await page.locator('.stage').scrollIntoViewIfNeeded()
    const { x, y } = await placeAt(page, 60 * MINUTE)
    await page.touchscreen.tap(x, y)
    expect(await readout(page)).toContain('1 hr after the send: 3 of 8')
    await page.locator('h1').tap()
    expect(await readout(page)).toContain('2 hrs after the send')
  })

  test('are titles and a table without a script', async () => {
    const page = await openReader(server.url, { javaScriptEnabled: false })
    await page.goto('/tasks/1')
    expect(await page.locator('.hit title').allTextContents()).toEqual([
      'At the send: 0 had read',
      '10 mins after the send: 0 of 8 known to have read (0.0%)',
      '1 hr after the send: 3 of 8 known to have read (37.5%)',
      '2 hrs after the send: 5 of 8 known to have read (62.5%)',
      'Since the last successful poll: at least 5 of 8; later reads are not known',
    ])
    expect(await readout(page)).toContain('2 hrs after the send: 5 of 8')
    expect(await page.locator('.hint').isVisible()).toBe(false)
    expect(await page.locator('#curve-table tbody tr').count()).toBe(3)
  })

  test('stay where the reader is while new ones come', async () => {
    const page = await openReader(server.url)
    await page.clock.install()
    await page.goto('/campaigns/news')
    await page.getByRole('slider').focus()
    await page.keyboard.press('ArrowLeft')
    await company.poll('1', 150, { read: STAFF.slice(0, 6), unread: STAFF.slice(6) })
    await letItRefresh(page)
    await until(async () => (await textOf(page, 'section.headline')).startsWith('75.0% 6 of 8'), { what: 'the new read is shown' })
    expect(await readout(page)).toContain('1 hr after the send: 3 of 8')
    await page.keyboard.press('End')
    await page.keyboard.press('ArrowLeft')
    expect(await readout(page)).toContain('2 hrs 30 mins after the send: 6 of 8')
    expect(await page.evaluate('document.activeElement.id')).toBe('curve-stage')
  })
})

describe.skipIf(endpoint === null)('the overview', () => {
  test('filters by the days of the reader’s zone, and its address has only what was chosen', async () => {
    const [near, far] = [
      await openReader(server.url, { timezoneId: 'Asia/Shanghai' }),
      await openReader(server.url, { timezoneId: 'America/New_York' }),
    ]
    for (const [page, zone] of [
      [near, 'Asia/Shanghai'],
      [far, 'America/New_York'],
    ] as const) {
      await page.goto('/')
      const day = await page.evaluate<string>(`new Date(Date.now() - 3 * 3600e3).toLocaleDateString('sv')`)
      await page.getByLabel('Sent from').fill(day)
      await page.getByRole('button', { name: 'Search' }).click()
      await page.waitForURL((url) => url.search === `?${new URLSearchParams({ from: day, zone }).toString()}`)
      expect(await page.locator('.campaigns h3').allInnerTexts()).toEqual(['news'])
      await page.getByLabel('Sent from').fill('')
      await page.getByLabel('to', { exact: true }).fill('2020-01-01')
      await page.getByRole('button', { name: 'Search' }).click()
      await page.waitForURL('**to=2020-01-01*')
      expect(await textOf(page, '#campaigns')).toContain('Nothing was sent in this time.')
      await page.getByRole('link', { name: 'Show all' }).click()
      await page.waitForURL(`${server.url}/`)
    }
  })
})

describe.skipIf(endpoint === null)('the values of a poll plan', () => {
  test('are read with the keys, poll by poll, and its form asks for another plan with the keyboard alone', async () => {
    const page = await openReader(server.url)
    await page.goto('/schedule?sentAt=2026-11-24T10:00&polls=8')
    const stage = page.getByRole('slider', { name: 'Values of the expected read curve' })
    await stage.focus()
    await page.keyboard.press('Home')
    const first = await readout(page)
    expect(first).toMatch(/mins after the send: \d+\.\d% are expected to have read/)
    await page.keyboard.press('ArrowRight')
    expect(await readout(page)).not.toBe(first)
    await page.keyboard.press('End')
    expect(await stage.getAttribute('aria-valuetext')).toContain('23 hrs 52 mins after the send')
    await page.getByLabel('Polls', { exact: true }).fill('5')
    await page.keyboard.press('Enter')
    await page.waitForURL('**/schedule?*polls=5*')
    expect(await page.locator('#plan-table tbody tr').count()).toBe(5)
    // The send time that was asked for stays.
    expect(page.url()).toContain('sentAt=2026-11-24T10%3A00')
  })
})
