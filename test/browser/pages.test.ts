import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTestDatabase } from '../support/postgres.ts'
import { readWorkbook, recordsOf } from '../support/workbook.ts'
import { fillCompany, fillCrowd, HOSTILE, openCompany } from './support/company.ts'
import { type CompanyServer, openCompanyServer } from './support/company-server.ts'
import { endpoint, openReader, textOf } from './support/reader.ts'
import { type DashboardServer, startDashboard } from './support/server.ts'

let opened: CompanyServer
let server: DashboardServer

beforeAll(async () => {
  if (endpoint === null) return
  opened = await openCompanyServer({ fill: [fillCompany] })
  server = opened.server
})

afterAll(async () => {
  if (endpoint !== null) await opened.close()
})

describe.skipIf(endpoint === null)('the pages', () => {
  test('the overview has campaigns with their figures first, then tasks, what needs attention, and calls used and left', async () => {
    const page = await openReader(server.url)
    await page.goto('/')
    expect(await page.locator('main h2').allInnerTexts()).toEqual(['Campaigns', 'Tasks', 'Needs attention', 'Calls to DingTalk'])
    expect(await textOf(page, '.notice')).toMatch(/^There are \d problems, so some figures may come later\. What is wrong$/)
    const attention = await textOf(page, '#attention')
    expect(attention).toContain('App hr is paused The app lacks the permission qyapi_base.')
    expect(attention).toContain('Grant the app the permission qyapi_base')
    expect(attention).toContain('Task 3001: stopped')
    expect(attention).toContain('More tasks: 1')
    const payroll = await textOf(page, '.campaigns > li:has-text("payroll-11")')
    expect(payroll).toMatch(/Open: 2 of 2 tasks 38\.5% 30 of 78 delivered have read/)
    expect(payroll).toContain('Read 30 Unread 48 Pending 1 Not sent 1')
    expect(payroll).toMatch(/as of \d+ \w+, \d\d:\d\d \(2 hours ago\)/)
    expect(await textOf(page, '.campaigns > li:has-text("fire-drill")')).toMatch(/Ended 50\.0% 1 of 2 delivered/)
    const calls = await textOf(page, '#calls')
    expect(calls).toContain('4,200 / 5,000')
    expect(calls).toContain('800 left')
    expect(calls).toContain('the standard edition has 5,000 a month')
    expect(await page.locator('#tasks tbody tr').count()).toBe(6)
    expect(await textOf(page, '#tasks tbody tr:has-text("1001")')).toMatch(/Tracking 28 of 70 40\.0%/)
  })

  test('a search finds campaigns by name and tasks by id', async () => {
    const page = await openReader(server.url)
    await page.goto('/')
    await page.getByLabel('Campaign, task id, name or user id').fill('fire')
    await page.getByRole('button', { name: 'Search' }).click()
    expect(await page.locator('.campaigns > li').allInnerTexts()).toEqual([expect.stringContaining('fire-drill')])
    await page.getByLabel('Campaign, task id, name or user id').fill('1002')
    await page.keyboard.press('Enter')
    await page.waitForURL('**/?q=1002')
    expect(await page.locator('#tasks tbody th').allInnerTexts()).toEqual(['1002'])
  })

  test('a campaign tells its figures with their denominators, what each state means, and why people are forbidden', async () => {
    const page = await openReader(server.url)
    await page.goto('/')
    await page.getByRole('link', { name: 'payroll-11' }).first().click()
    await page.waitForURL('**/campaigns/payroll-11?app=default')
    expect(await textOf(page, 'section.headline')).toMatch(
      /^38\.5% 30 of 78 delivered have read Who has not read: 48 Read 30 Unread 48 Pending 1 Not sent 1 As of .+ \(2 hours ago\) · 30 of 80 targeted have read: 37\.5%$/,
    )
    expect(await textOf(page, '#states tr:has-text("Pending")')).toBe(
      'Pending DingTalk has listed them nowhere: neither delivered nor unread. 1 1.3%',
    )
    expect(await textOf(page, '#forbidden')).toContain('Daily limit reached 1 person')
    expect(await textOf(page, '#forbidden')).toContain('Send again tomorrow')
    expect(await page.locator('#curve svg.plot').getAttribute('aria-label')).toBe('30 of 78 delivered are known to have read: 38.5%')
    expect((await page.locator('#curve path.bounds').getAttribute('d'))?.length).toBeGreaterThan(20)
    expect(await textOf(page, '#time-to-read')).toContain('25% had read within 40 mins to 2 hrs 50 mins of the send')
    expect(await page.locator('#tasks tbody th').allInnerTexts()).toEqual(['1002', '1001'])
  })

  test('the unread of a campaign: as of when, by page, by search, by state, and as a file', async () => {
    const page = await openReader(server.url)
    await page.goto('/campaigns/payroll-11')
    const names = (): Promise<string[]> => page.locator('#people tbody th').allInnerTexts()
    const first = await names()
    expect(first).toHaveLength(25)
    expect(first[0]).toBe('user-029')
    expect(await textOf(page, '#people p.quiet')).toMatch(/^Unread as of \d+ \w+, \d\d:\d\d; later reads are not known\.$/)
    expect(await page.locator('#people tbody').innerText()).not.toContain('as of')
    await page.locator('#people').getByRole('link', { name: 'Next page' }).click()
    await page.waitForURL('**cursor=*')
    expect(new Set([...first, ...(await names())]).size).toBe(48)
    await page.locator('#people').getByRole('link', { name: 'First page' }).click()
    await page.waitForURL((url) => !url.searchParams.has('cursor'))
    expect(await names()).toEqual(first)

    await page.getByLabel('Find a user id').fill('user-07')
    await page.keyboard.press('Enter')
    await page.waitForURL('**q=user-07*')
    const found = await names()
    expect(found).toEqual(['user-070', 'user-073', 'user-074', 'user-075', 'user-076', 'user-077', 'user-078'])
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'CSV for programs' }).click()])
    expect(download.suggestedFilename()).toBe('payroll-11-people.csv')
    const rows = (await buffer(await download.createReadStream())).toString().split('\r\n')
    expect(rows[0]).toMatch(/^\uFEFFapp,task_id,campaign,user_id,state,/)
    expect(rows.slice(1, -1).map((row) => row.split(',')[3])).toEqual(found)

    // Where the page's times are in the reader's zone, those of the file are too.
    const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Excel (.xlsx)' }).click()])
    expect(file.suggestedFilename()).toBe('payroll-11-people.xlsx')
    const [people, summary] = readWorkbook(await buffer(await file.createReadStream()))
    expect(people && recordsOf(people).map((row) => row['User id'])).toEqual(found)
    expect(summary && recordsOf(summary).find((row) => row['What'] === 'Time zone of all times')?.['Value']).toBe('Asia/Shanghai')

    await page.getByLabel('Find a user id').fill('')
    await page
      .locator('.tabs')
      .getByRole('link', { name: /Pending/ })
      .click()
    await page.waitForURL('**state=pending*')
    await page.getByLabel('Find a user id').fill('')
    await page.keyboard.press('Enter')
    await page.waitForURL((url) => url.searchParams.get('q') === '')
    expect(await names()).toEqual(['waiting'])
    expect(await textOf(page, '#people p.quiet')).toMatch(/^DingTalk has listed them nowhere: .+ As of \d+ \w+, \d\d:\d\d\.$/)
    expect(await textOf(page, '#people tbody')).not.toContain('unread')
  })

  test('the figures of the overview and of a campaign lead straight to their people', async () => {
    const page = await openReader(server.url)
    const people = (): Promise<string[]> => page.locator('#people tbody th').allInnerTexts()
    await page.goto('/')
    await page
      .locator('.campaigns > li:has-text("payroll-11") .legend')
      .getByRole('link', { name: /Not sent/ })
      .click()
    await page.waitForURL('**/campaigns/payroll-11?app=default&state=forbidden#people')
    expect(await people()).toEqual(['over-limit'])
    expect(await textOf(page, '#people tbody')).toContain('Daily limit reached 143105 (limit 50)')
    await page
      .locator('section.headline')
      .getByRole('link', { name: /Pending/ })
      .click()
    await page.waitForURL('**state=pending#people')
    expect(await people()).toEqual(['waiting'])
    await page.getByRole('link', { name: 'Who has not read: 48' }).click()
    await page.waitForURL('**state=unread#people')
    expect(await people()).toHaveLength(25)
    await page.getByRole('link', { name: 'Overview' }).click()
    await page.waitForURL(`${server.url}/`)
  })

  test('a task shows its polls, good, failed and planned, and the bracket of each read', async () => {
    const page = await openReader(server.url)
    await page.goto('/tasks/1001?state=all')
    expect(await textOf(page, '.badge')).toBe('Tracking')
    expect(await page.locator('svg.line').getAttribute('aria-label')).toMatch(/3 successful polls, 1 failed, \d+ planned/)
    expect(await page.locator('svg.line title').allTextContents()).toEqual(
      expect.arrayContaining([
        'Poll 1, 5 mins after the send: 0 of 70 had read',
        'Poll 2, 20 mins after the send: No usable answer (-1)',
        expect.stringMatching(/^Final poll, planned 23 hrs (4|5)\d mins after the send$/),
      ]),
    )
    await page.locator('#polls-table summary').click()
    expect(await textOf(page, '#polls tbody tr:nth-child(2)')).toMatch(/^2 .* 20 mins No usable answer -1 system busy – 0$/)
    expect(await textOf(page, '#people tr:has-text("user-015")')).toMatch(/Read read between .+ and .+/)
    expect(await page.locator('#people tr:has-text("user-015") line.read').count()).toBe(1)
    expect(await page.locator('#people .bracket').count()).toBe(28)
    await page.goto('/tasks/1001')
    expect(await page.locator('#people thead th').allInnerTexts()).toEqual(['Person'])
  })

  test('one person is explained poll by poll', async () => {
    const page = await openReader(server.url)
    await page.goto('/tasks/1001?state=all')
    await page.getByRole('link', { name: 'user-015' }).click()
    await page.waitForURL('**/tasks/1001/people/user-015?app=default')
    const story = (await page.locator('.story > li p:last-child').allInnerTexts()).map((text) => text.trim())
    expect(story).toEqual([
      'Delivered, and not read. New',
      'No usable answer -1 system busy. The state stays: Unread.',
      'Delivered, and not read.',
      'Read. New',
    ])
  })

  test('what ended is told as of its final poll, and never as now', async () => {
    const page = await openReader(server.url)
    await page.goto('/tasks/2001?state=all')
    expect(await textOf(page, '.lead')).toContain('The 24 hours in which DingTalk answers are over.')
    expect(await textOf(page, '#people p.quiet')).toMatch(/Unread as of \d+ \w+, \d\d:\d\d\. Pending as of \d+ \w+, \d\d:\d\d\.$/)
    expect(await textOf(page, '#people tr:has-text("bob")')).toBe('bob Unread')
    expect(await textOf(page, '#people tr:has-text("carol")')).toBe('carol Pending')
    expect(await page.locator('text.now').count()).toBe(0)
  })

  test('markup in a campaign, a user id and an answer stays text', async () => {
    const page = await openReader(server.url)
    await page.goto('/')
    await page.getByRole('link', { name: HOSTILE.campaign, exact: true }).first().click()
    expect(await page.locator('h1').textContent()).toBe(HOSTILE.campaign)
    expect(await page.locator('#people tbody th').allTextContents()).toEqual([HOSTILE.userId])
    await page.locator('#people tbody a').click()
    await page.waitForURL('**/people/**')
    expect(await page.locator('h1').textContent()).toBe(HOSTILE.userId)
    await page.goto('/tasks/3001')
    expect(await textOf(page, '.lead')).toContain(HOSTILE.message)
    expect(await page.locator('#owned, main img, main script').count()).toBe(0)
    expect(await page.title()).not.toBe('owned')
  })

  test('what is not there, not clear or not right has a page of its own', async () => {
    const page = await openReader(server.url)
    expect((await page.goto('/tasks/999'))?.status()).toBe(404)
    expect(await textOf(page, 'main')).toContain('Not found')
    expect((await page.goto('/nowhere'))?.status()).toBe(404)
    expect((await page.goto('/tasks/4001'))?.status()).toBe(409)
    await page.getByRole('link', { name: 'it', exact: true }).click()
    expect(await textOf(page, 'h1')).toBe('Task 4001')
    expect((await page.goto('/campaigns/payroll-11?cursor=nonsense'))?.status()).toBe(400)
  })

  test('long lists have pages, and of many tasks at one risk the first few stand for all', async () => {
    const big = await createTestDatabase({ migrated: true })
    const many = openCompany(big.url)
    const crowded = await startDashboard({ databaseUrl: big.url })
    try {
      await fillCrowd(many)
      const page = await openReader(crowded.url)
      await page.goto('/')
      expect(await page.locator('#attention > .alerts > li').count()).toBe(3)
      await page.getByText('More tasks: 29').click()
      expect(await page.locator('#more-attention li').count()).toBe(29)
      for (const [list, rows, total] of [
        ['#campaigns', '.campaigns h3', 12],
        ['#tasks', '#tasks tbody th', 32],
      ] as const) {
        const first = await page.locator(rows).allInnerTexts()
        await page.locator(list).getByRole('link', { name: 'Next page' }).click()
        await page.waitForURL((url) => url.searchParams.has(list.slice(1)))
        const next = await page.locator(rows).allInnerTexts()
        expect([list, new Set([...first, ...next]).size]).toEqual([list, total])
        await page.locator(list).getByRole('link', { name: 'First page' }).click()
        await page.waitForURL((url) => !url.searchParams.has(list.slice(1)))
      }
      await page.goto('/campaigns/daily?state=all&q=ann')
      await page.locator('#tasks').getByRole('link', { name: 'Next page' }).click()
      await page.waitForURL('**tasks=*')
      expect(await page.locator('#tasks tbody th').count()).toBe(1)
      expect(await page.locator('#people tbody th').allInnerTexts()).toEqual(['ann'])
    } finally {
      await crowded.close()
      await many.close()
      await big.drop()
    }
  })

  test('nothing inline runs, whoever puts it into a page', async () => {
    const page = await openReader(server.url)
    const policy = (await page.goto('/'))?.headers()['content-security-policy']
    expect(policy).toContain("default-src 'none'")
    expect(policy).not.toContain('unsafe')
    // The browser itself says what it refused: that is the point here.
    page.removeAllListeners('console')
    await page.evaluate(`(() => {
      const script = document.createElement('script')
      script.textContent = 'document.title = "owned"'
      document.body.append(script)
      document.body.insertAdjacentHTML('beforeend', '<p style="color: red" onclick="document.title = 1">here</p>')
    })()`)
    await page.getByText('here', { exact: true }).click()
    expect(await page.title()).toBe('Overview · Delivery tracker')
    expect(await page.evaluate(`getComputedStyle(document.querySelector('body > p')).color`)).toBe('rgb(26, 32, 36)')
  })

  test('a database of another version has a page that says what to run', async () => {
    const bare = await createTestDatabase()
    const early = await startDashboard({ databaseUrl: bare.url })
    try {
      const page = await openReader(early.url)
      expect((await page.goto('/'))?.status()).toBe(503)
      expect(await textOf(page, 'main')).toContain('The database needs an update')
      expect(await textOf(page, 'main')).toContain('npx dingtalk-delivery migrate')
    } finally {
      await early.close()
      await bare.drop()
    }
  })

  test('without a database there is a page that says so', async () => {
    const away = await startDashboard({ databaseUrl: 'postgres://nobody@127.0.0.1:9/none' })
    try {
      const page = await openReader(away.url)
      expect((await page.goto('/'))?.status()).toBe(503)
      expect(await textOf(page, 'h1')).toBe('The database does not answer')
      expect(await textOf(page, 'main')).not.toContain('nobody@')
    } finally {
      await away.close()
    }
  })

  test('an empty database explains how to track a first task', async () => {
    const empty = await createTestDatabase({ migrated: true })
    const fresh = await startDashboard({ databaseUrl: empty.url })
    try {
      const page = await openReader(fresh.url, { permissions: ['clipboard-read', 'clipboard-write'] })
      await page.goto('/')
      expect(await textOf(page, 'h1')).toBe('Nothing is tracked yet')
      await page.locator('li:has-text("SQL") .copy').first().click()
      expect(await page.evaluate('navigator.clipboard.readText()')).toContain('SELECT track_delivery(')
    } finally {
      await fresh.close()
      await empty.drop()
    }
  })

  test('the language is that of the browser, until the reader chooses one', async () => {
    const page = await openReader(server.url, { locale: 'zh-CN' })
    await page.goto('/campaigns/payroll-11')
    expect(await page.locator('html').getAttribute('lang')).toBe('zh-CN')
    expect(await textOf(page, 'section.headline')).toContain('送达 78 人，其中 30 人已读')
    await page.getByRole('button', { name: 'English' }).click()
    await page.waitForLoadState()
    expect(new URL(page.url()).pathname).toBe('/campaigns/payroll-11')
    expect(await textOf(page, 'section.headline')).toContain('30 of 78 delivered have read')
    await page.goto('/')
    expect(await page.locator('html').getAttribute('lang')).toBe('en')
  })

  test('the colours are those of the system, until the reader chooses', async () => {
    const page = await openReader(server.url, { colorScheme: 'dark' })
    const ground = (): Promise<string> => page.evaluate<string>('getComputedStyle(document.body).backgroundColor')
    await page.goto('/')
    expect(await ground()).toBe('rgb(18, 22, 24)')
    await page.getByRole('button', { name: 'Light' }).click()
    await page.waitForLoadState()
    expect(await ground()).toBe('rgb(245, 245, 242)')
    await page.goto('/tasks/1001')
    expect(await ground()).toBe('rgb(245, 245, 242)')
  })

  test('everything works without a script', async () => {
    const page = await openReader(server.url, { javaScriptEnabled: false })
    await page.goto('/campaigns/payroll-11')
    expect(await page.locator('noscript meta[http-equiv="refresh"]').count()).toBe(1)
    expect(await textOf(page, '#zone')).toMatch(/^Times in the server’s zone, .+ \((GMT|UTC).*\)$/)
    await page.getByLabel('Find a user id').fill('user-07')
    await page.locator('#people').getByRole('button', { name: 'Search' }).click()
    expect(await page.locator('#people tbody th').count()).toBe(7)
    await page.getByRole('button', { name: '中文' }).click()
    expect(await page.locator('html').getAttribute('lang')).toBe('zh-CN')
    await page.getByRole('button', { name: '深色' }).click()
    expect(await page.locator('html').getAttribute('data-theme')).toBe('dark')
  })

  test('times are in the zone of the reader', async () => {
    const [near, far] = [
      await openReader(server.url, { timezoneId: 'Asia/Shanghai' }),
      await openReader(server.url, { timezoneId: 'America/New_York' }),
    ]
    for (const page of [near, far]) await page.goto('/tasks/2001')
    expect(await textOf(near, '#zone')).toBe('Times in your zone, Asia/Shanghai (GMT+8)')
    const sent = '.facts time'
    expect(await near.locator(sent).first().getAttribute('datetime')).toBe(await far.locator(sent).first().getAttribute('datetime'))
    expect(await textOf(near, sent)).not.toBe(await textOf(far, sent))
  })

  test('a keyboard reaches everything, and shows where it is', async () => {
    const page = await openReader(server.url)
    await page.goto('/campaigns/payroll-11')
    await page.keyboard.press('Tab')
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Skip to the content')
    await page.keyboard.press('Enter')
    expect(await page.evaluate('document.activeElement.id')).toBe('main')
    const seen = new Set<string>()
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press('Tab')
      const at = await page.evaluate<[string, string, string]>(
        `(() => { const e = document.activeElement; return [e.tagName, e.id || e.textContent.trim().slice(0, 20), getComputedStyle(e).outlineStyle] })()`,
      )
      if (at[0] !== 'BODY') expect(at).toEqual([at[0], at[1], 'solid'])
      seen.add(at[1])
    }
    for (const stop of ['The same as a table', 'Excel (.xlsx)', 'CSV for programs', 'people-search', 'user-029', 'Next page', '1001'])
      expect([...seen]).toContain(stop)
  })
})
