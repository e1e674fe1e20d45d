import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The folder of the project. */
export const ROOT = join(import.meta.dirname, '../../..')

const MARKDOWN = [...readdirSync(ROOT), ...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`)].filter((path) =>
  path.endsWith('.md'),
)

/** The Chinese pages. twins.test.ts holds each to its English page, so what is run of that one is run for both. */
export const CHINESE_PAGES = MARKDOWN.filter(isChinese)

/** What users read and paste from, in English. */
export const PAGES = MARKDOWN.filter((path) => (path === 'README.md' || path.startsWith('docs/')) && !isChinese(path))

/** All of them, and what else users and contributors read. */
export const ALL_PAGES = MARKDOWN

export function isChinese(page: string): boolean {
  return page.endsWith('.zh-CN.md')
}

/** README.zh-CN.md of README.md. */
export function chineseNameOf(page: string): string {
  return page.replace(/\.md$/, '.zh-CN.md')
}

/** A fenced block of a page. */
export interface Block {
  /** `README.md:35`, so that a failure names the line. */
  readonly at: string
  readonly page: string
  readonly language: string
  readonly text: string
}

/** Pages whose blocks need servers and programs of their own, or are about one subject: the test that runs them. All others are run here by language. */
export const OWN_TESTS: Readonly<Record<string, string>> = {
  'docs/backup.md': 'test/deploy/backup.full.test.ts',
  'docs/database.md': 'test/docs/database.full.test.ts',
  'docs/deployment.md': 'test/docs/deployment.full.test.ts',
  // Its lines are npm's own: they are pasted into an app and into a clone, with the packed package.
  'docs/install.md': 'test/packaging/first-ten-minutes.full.test.ts',
  'docs/queries.md': 'test/docs/queries.test.ts',
  'docs/senders.md': 'test/docs/senders.full.test.ts',
}

export function textOf(page: string): string {
  return readFileSync(join(ROOT, page), 'utf8')
}

export function blocksOf(page: string): Block[] {
  const text = textOf(page)
  return [...text.matchAll(/^```([^\n]*)\n(.*?)^```$/gms)].map((match) => ({
    at: `${page}:${text.slice(0, match.index).split('\n').length + 1}`,
    page,
    language: match[1] ?? '',
    text: match[2] ?? '',
  }))
}

/** All blocks of all pages in one language. */
export function blocksIn(language: string): Block[] {
  return PAGES.flatMap(blocksOf).filter((block) => block.language === language)
}

/** Without those of pages that have a test of their own. */
export function sharedBlocksIn(language: string): Block[] {
  return blocksIn(language).filter(({ page }) => !(page in OWN_TESTS))
}

/** The rows of the first table under a heading, each a list of its cells. */
export function tableUnder(heading: string, page: string): string[][] {
  const section = textOf(page)
    .split(/^## /m)
    .find((part) => part.startsWith(`${heading}\n`))
  if (section === undefined) throw new Error(`${page} has no heading "## ${heading}"`)
  const table = /(?:^\|.*\n)+/m.exec(section)?.[0] ?? ''
  const [, , ...rows] = table.trimEnd().split('\n')
  return rows.map((row) =>
    row
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll('\\|', '|')),
  )
}

/** What stands between backticks. */
export function codeIn(text: string): string[] {
  return [...text.matchAll(/`([^`\n]+)`/g)].map((match) => match[1] ?? '')
}
