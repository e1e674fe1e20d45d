import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts'
import { blockFontStyle } from './support/block-font.ts'
import { type Boxes, measureBoxes, movedBoxes, readColours } from './support/boxes.ts'
import { type Company, openCompany } from './support/company.ts'
import { fillScenePeople, SCENE_PEOPLE_PAGES } from './support/people.ts'
import { differentShare, encodePng, readBlocks } from './support/pictures.ts'
import { endpoint, openReader, signIn } from './support/reader.ts'
import { fillScene, readScene, SCENE, SCENE_TIME } from './support/scene.ts'
import { type DashboardServer, startDashboard } from './support/server.ts'

/**
 * The pages with fixed data and a fixed time, compared with `screenshots/`: places and colours of their parts, and small pictures. After a change
 * that is meant: `UPDATE_SCREENSHOTS=1 npx vitest run --project browser test/browser/layout.test.ts`, look at the pictures, commit them.
 */
const DIRECTORY = join(import.meta.dirname, 'screenshots')
const IS_UPDATE = process.env['UPDATE_SCREENSHOTS'] === '1'

type Servers = Record<'open' | 'locked' | 'empty' | 'named', DashboardServer>

/** A page is a line here. */
const SHOWN: Readonly<Record<string, { readonly path: string; readonly server?: keyof Servers; readonly status?: number }>> = {
  overview: { path: '/' },
  campaign: { path: `/campaigns/${encodeURIComponent(SCENE.payslips)}` },
  task: { path: `/tasks/${SCENE.task}?state=all` },
  person: { path: `/tasks/${SCENE.task}/people/${SCENE.person}` },
  login: { path: '/login', server: 'locked' },
  'not-found': { path: '/tasks/999', status: 404 },
  empty: { path: '/', server: 'empty' },
  ...Object.fromEntries(Object.entries(SCENE_PEOPLE_PAGES).map(([name, path]) => [name, { path, server: 'named' }])),
  refused: { path: `/campaigns/${encodeURIComponent(SCENE.payslips)}?department=x`, server: 'locked', status: 403 },
}

const WIDTHS = [360, 390, 820, 1280]
const THEMES = ['light', 'dark'] as const
const LANGUAGES = ['en', 'zh'] as const

/** Browsers of other versions round and break lines a little differently; what breaks a page moves it further. */
const TOLERANCE = { pixels: 12, share: 0.03 }
const EXACT = { pixels: 3, share: 0 }
/** CSS pixels in one pixel of a stored picture. */
const SCALE = 6
/** Pictures are compared in blocks of so many of their pixels: places and colours are compared by part, this is for what is not drawn. */
const BLOCK = 3
const COLOUR_TOLERANCE = 40
const DIFFERENT_BLOCKS = 0.04

let databases: TestDatabase[] = []
let companies: Company[] = []
let servers: Servers

beforeAll(async () => {
  if (endpoint === null) return
  const [filled, named, empty] = [
    await createTestDatabase({ migrated: true }),
    await createTestDatabase({ migrated: true }),
    await createTestDatabase({ migrated: true }),
  ]
  databases = [filled, named, empty]
  const [company, staffed] = [openCompany(filled.url, () => SCENE_TIME.getTime()), openCompany(named.url, () => SCENE_TIME.getTime())]
  companies = [company, staffed]
  for (const each of companies) await fillScene(each)
  await fillScenePeople(staffed)
  const options = { databaseUrl: filled.url, now: () => SCENE_TIME, monotonicMs: () => 0, reading: readScene }
  servers = {
    open: await startDashboard(options),
    locked: await startDashboard({ ...options, apiToken: 'token' }),
    empty: await startDashboard({ ...options, databaseUrl: empty.url }),
    named: await startDashboard({ ...options, databaseUrl: named.url }),
  }
})

afterAll(async () => {
  if (endpoint === null) return
  for (const server of Object.values(servers)) await server.close()
  for (const each of companies) await each.close()
  for (const database of databases) await database.drop()
})

describe.skipIf(endpoint === null).each(LANGUAGES)('in %s', { timeout: 300_000 }, (language) => {
  test.each(Object.keys(SHOWN))('the page looks as it did: %s', async (name) => {
    const page = await openShown(name, language)
    const boxes: Record<string, Boxes> = {}
    const different: string[] = []
    for (const width of WIDTHS) {
      await page.setViewportSize({ width, height: 800 })
      boxes[width] = await measureBoxes(page)
      for (const theme of THEMES) {
        await page.emulateMedia({ colorScheme: theme })
        boxes[theme] = await readColours(page)
        different.push(...(await comparePicture(page, `${name}-${width}-${language}-${theme}`)))
      }
    }
    expect([...compareBoxes(`${name}-${language}`, boxes), ...different]).toEqual([])
  })
})

/** The page of the scene in a font that every machine has. */
async function openShown(name: string, language: (typeof LANGUAGES)[number]): Promise<Page> {
  const { path, server = 'open', status = 200 } = SHOWN[name] ?? { path: '/' }
  const page = await openReader(servers[server].url, {
    locale: language === 'zh' ? 'zh-CN' : 'en-GB',
    bypassCSP: true,
    reducedMotion: 'reduce',
  })
  await page.clock.setFixedTime(SCENE_TIME)
  if (status === 403) await signIn(page, 'token')
  expect((await page.goto(path))?.status()).toBe(status)
  await page.addStyleTag({ content: blockFontStyle() })
  expect(await page.evaluate(`document.fonts.load('16px Block').then(({ length }) => length)`)).toBe(1)
  return page
}

/** What moved at any width, or has another colour in any theme. At most ten lines of each: one part that grows moves all below it. */
function compareBoxes(name: string, boxes: Readonly<Record<string, Boxes>>): string[] {
  const file = join(DIRECTORY, `${name}.json`)
  if (IS_UPDATE) writeFileSync(file, `${JSON.stringify(boxes, null, 2)}\n`)
  const expected = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Record<string, Boxes>) : {}
  return Object.entries(boxes).flatMap(([key, actual]) =>
    movedBoxes(expected[key] ?? {}, actual, THEMES.some((theme) => theme === key) ? EXACT : TOLERANCE)
      .slice(0, 10)
      .map((line) => `${name}, ${key}: ${line}`),
  )
}

async function comparePicture(page: Page, name: string): Promise<string[]> {
  const file = join(DIRECTORY, `${name}.png`)
  const png = await page.screenshot({ fullPage: true, scale: 'css', animations: 'disabled', caret: 'hide' })
  if (IS_UPDATE) {
    mkdirSync(DIRECTORY, { recursive: true })
    writeFileSync(file, encodePng(await readBlocks(page, png, SCALE)))
  }
  if (!existsSync(file)) return [`${name} has no picture: see how they are made at the top of this test`]
  const [expected, actual] = [await readBlocks(page, readFileSync(file), BLOCK), await readBlocks(page, png, SCALE * BLOCK)]
  const share = differentShare(expected, actual, COLOUR_TOLERANCE)
  if (share <= DIFFERENT_BLOCKS) return []
  const kept = join(tmpdir(), `${name}.png`)
  writeFileSync(kept, png)
  return [`${name}: ${Math.round(share * 100)}% of the picture differs; see ${kept}`]
}
