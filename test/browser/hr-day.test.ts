import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { describe, expect, test } from 'vitest'
import { runCli } from '../support/process.ts'
import { readWorkbook, recordsOf } from '../support/workbook.ts'
import { beginHrDay, type HrDay, readTruth, type Truth } from './support/hr-day.ts'
import { endpoint, openReader, textOf } from './support/reader.ts'
import { DEPARTMENTS, hireStaff, type StaffMember, staffCsv } from './support/staff.ts'

const STAFF = hireStaff(3_000)
const CAMPAIGN = '年度体检通知'
const [DEPARTMENT = ''] = DEPARTMENTS
const DEPARTMENT_URL = `/campaigns/${encodeURIComponent(CAMPAIGN)}?department=${encodeURIComponent(DEPARTMENT)}`

/** `npm run pictures` sets it: the folder of the pictures in docs/dashboard*.md. */
const PICTURES = process.env['PICTURES'] ?? null

const LANGUAGES = [
  ['en', 'en-GB'],
  ['zh', 'zh-CN'],
] as const

const WIDTH = 1_000
const MARGIN = 16

/** A part of a page. */
interface Shown {
  readonly path: string
  /** Selects where the picture begins. Default: the top of the page */
  readonly first?: string
  /** Selects where it ends. */
  readonly last: string
  /** Is opened before. */
  readonly folded?: string
}

/** A picture of a part of a page in each language. */
async function picture(day: HrDay, name: string, { path, first, last, folded }: Shown): Promise<void> {
  if (PICTURES === null) return
  await mkdir(PICTURES, { recursive: true })
  for (const [language, locale] of LANGUAGES) {
    const page = await openReader(day.url, { locale, viewport: { width: WIDTH, height: 800 } })
    await page.goto(path)
    if (folded !== undefined) await page.locator(folded).first().click()
    // A fragment in the address, or a click, has scrolled the page.
    await page.evaluate('window.scrollTo(0, 0)')
    const [begin, end] = [first === undefined ? null : await page.locator(first).first().boundingBox(), await boxOf(page, last)]
    const y = begin === null ? 0 : begin.y - MARGIN
    await page.screenshot({
      path: join(PICTURES, `hr-${name}-${language}.png`),
      fullPage: true,
      clip: { x: 0, y, width: WIDTH, height: Math.ceil(end.y + end.height + (last.includes(' tr') ? 0 : MARGIN) - y) },
    })
  }
}

async function boxOf(page: Page, selector: string): Promise<{ readonly y: number; readonly height: number }> {
  const box = await page.locator(selector).first().boundingBox()
  if (box === null) throw new Error(`${selector} is not shown`)
  return box
}

const numbersIn = (text: string): number[] => [...text.matchAll(/\d[\d,]*/g)].map(([digits]) => Number(digits.replaceAll(',', '')))

describe.skipIf(endpoint === null)('a day of an HR department', () => {
  test('import people, send, find who has not read by department, take the file, open a person, erase that person', {
    timeout: 900_000,
  }, async ({ onTestFinished }) => {
    const day = await beginHrDay(onTestFinished)
    await importPeople(day, onTestFinished)
    const sent = await day.send(CAMPAIGN, STAFF)
    await day.allEnded(CAMPAIGN)
    const truth = await readTruth(day, sent, STAFF)
    await picture(day, 'sent', { path: '/', last: '#campaigns' })
    await seeDepartments(day, truth)
    const unread = await findUnread(day, truth)
    await readTheFile(day, truth)
    await openAndErase(day, unread)
    expect(truth.delivered).toBeGreaterThan(2_500)
  })
})

async function importPeople(day: HrDay, onTestFinished: (close: () => Promise<void>) => void): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'hr-day-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, '员工.csv')
  await writeFile(file, staffCsv(STAFF))
  const shown = await runCli(['people', 'import', file, '--dry-run'], { env: day.env })
  expect([shown.code, shown.stdout]).toEqual([0, expect.stringMatching(/new +3,000/)])
  const imported = await runCli(['people', 'import', file, '--yes'], { env: day.env })
  expect([imported.code, imported.stderr]).toEqual([0, expect.not.stringContaining('error')])
}

/** The table of departments has the simulator's figures, and the campaign counts each person once. */
async function seeDepartments(day: HrDay, truth: Truth): Promise<void> {
  const page = await openReader(day.url)
  await page.goto(`/campaigns/${encodeURIComponent(CAMPAIGN)}`)
  expect(await textOf(page, 'section.headline')).toContain(
    `${truth.read.size.toLocaleString('en-GB')} of ${truth.delivered.toLocaleString('en-GB')} delivered have read`,
  )
  for (const summary of await page.locator('#departments summary').all()) await summary.click()
  const shown = new Map<string, number[]>()
  for (const row of await page.locator('#departments tbody tr').all())
    shown.set((await row.getAttribute('data-key')) ?? '', numbersIn((await row.locator('td.figure').allInnerTexts()).join(' ')))
  expect(sorted(shown.keys())).toEqual(sorted(truth.departments.keys()))
  for (const [department, { read, unread }] of truth.departments) {
    const [ofRead, ofDelivered] = shown.get(department) ?? []
    expect([department, ofRead, ofDelivered, shown.get(department)?.at(-1)]).toEqual([department, read, read + unread, unread])
  }
  const path = `/campaigns/${encodeURIComponent(CAMPAIGN)}`
  await picture(day, 'campaign', { path, last: '#curve' })
  await picture(day, 'departments', { path, first: '#departments', last: '#departments', folded: '#departments summary' })
}

/** All pages of the list of a department have the unread people of the simulator, and no one else. Returns one of them. */
async function findUnread(day: HrDay, truth: Truth): Promise<StaffMember> {
  const members = STAFF.filter(({ userId, departments }) => departments.includes(DEPARTMENT) && truth.unread.has(userId))
  const page = await openReader(day.url)
  await page.goto(`${DEPARTMENT_URL}#people`)
  const found: string[] = []
  for (;;) {
    found.push(...(await keysOf(page)))
    const next = page.locator('#people').getByRole('link', { name: 'Next page' })
    if ((await next.count()) === 0) break
    await next.click()
    await page.waitForLoadState()
  }
  expect(sorted(found)).toEqual(sorted(members.map(({ userId }) => userId)))
  await picture(day, 'unread', { path: DEPARTMENT_URL, first: '#people', last: '#people tbody tr:nth-child(8)' })
  const [first] = members
  if (first === undefined) throw new Error('everybody has read')
  return first
}

async function keysOf(page: Page): Promise<string[]> {
  const rows = await page.locator('#people tbody tr').all()
  return await Promise.all(rows.map(async (row) => (await row.getAttribute('data-key')) ?? ''))
}

function sorted(texts: Iterable<string>): string[] {
  return [...texts].sort((a, b) => (a < b ? -1 : 1))
}

/** The workbook of everybody, read back by another library: user ids letter for letter, the states and departments of the simulator. */
async function readTheFile(day: HrDay, truth: Truth): Promise<void> {
  const response = await fetch(`${day.url}/campaigns/${encodeURIComponent(CAMPAIGN)}/people.xlsx?state=all`, {
    headers: { 'accept-language': 'en' },
  })
  expect(response.status).toBe(200)
  const [people] = readWorkbook(new Uint8Array(await response.arrayBuffer()))
  if (people === undefined) throw new Error('the file has no sheet')
  const rows = recordsOf(people)
  const byId = new Map(rows.map((row) => [row['User id'], row]))
  expect([rows.length, byId.size]).toEqual([STAFF.length, STAFF.length])
  expect(STAFF.filter(({ userId, name }) => byId.get(userId)?.['Name'] !== name)).toEqual([])
  const inState = (state: string): string[] => rows.filter((row) => row['State'] === state).map((row) => String(row['User id']))
  expect(sorted(inState('Unread'))).toEqual(sorted(truth.unread))
  expect(sorted(inState('Read'))).toEqual(sorted(truth.read))
}

/** A name leads to the person, and after the erasure to nothing. */
async function openAndErase(day: HrDay, { userId, name }: StaffMember): Promise<void> {
  const page = await openReader(day.url)
  await page.goto(`${DEPARTMENT_URL}#people`)
  await page.locator(`#people tbody tr[data-key="${userId}"] a`).first().click()
  await page.waitForURL('**/people/**')
  expect(await textOf(page, 'h1')).toContain(name)
  expect(await textOf(page, 'main')).toContain(CAMPAIGN)
  await picture(day, 'person', { path: `/people/${userId}?app=default`, last: '#sent' })

  const erased = await runCli(['erase', '--user', userId], { env: day.env })
  expect([erased.code, erased.stdout]).toEqual([0, 'erased in 1 task, 0 jobs of the queue and 1 row of people\n'])
  const after = await fetch(`${day.url}/people/${userId}?app=default`, { headers: { accept: 'text/html' } })
  expect(after.status).toBe(404)
  await picture(day, 'erased', { path: `/people?q=${userId}`, last: '#found' })
  const list = await fetch(`${day.url}/v1/campaigns/${encodeURIComponent(CAMPAIGN)}/recipients?format=csv`)
  const csv = await list.text()
  expect(csv).not.toContain(userId)
  expect(csv.trim().split('\r\n')).toHaveLength(STAFF.length + 1)
}
