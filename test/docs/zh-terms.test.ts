import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

interface Term {
  readonly english: string
  readonly chinese: readonly string[]
  readonly never: readonly string[]
}

const TERMS: readonly Term[] = read('docs/zh-terms.md')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| English'))
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .map(([, english = '', chinese = '', , never = '']) => ({ english, chinese: chinese.split('、'), never: never.split('、') }))

/** Everything that a reader of Chinese sees: texts of the pages, of codes, and of the documentation. */
const TEXTS: readonly string[] = [
  'README.zh-CN.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.zh-CN.md'))
    .map((name) => `docs/${name}`),
  'src/domain/messages-zh.ts',
  ...readdirSync(join(ROOT, 'src/web/dashboard/locales')).map((name) => `src/web/dashboard/locales/${name}`),
]

test('the table has a word for each term, and no word that is right elsewhere is ruled out', () => {
  expect(TERMS.length).toBeGreaterThan(20)
  const right = new Set(TERMS.flatMap(({ chinese }) => chinese))
  expect(TERMS.filter(({ english, chinese, never }) => english === '' || chinese.includes('') || never.includes(''))).toEqual([])
  expect(TERMS.flatMap(({ never }) => never.filter((word) => right.has(word)))).toEqual([])
})

describe.each(TEXTS)('%s', (path) => {
  test('has no word that the terms rule out', () => {
    const text = read(path)
    const found = TERMS.flatMap(({ chinese, never }) =>
      never.filter((word) => text.includes(word)).map((word) => `${word} → ${chinese.join('、')}`),
    )
    expect(found).toEqual([])
  })
})
