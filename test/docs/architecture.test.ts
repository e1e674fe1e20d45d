import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { importsBelow } from '../support/imports.ts'
import { blocksOf, codeIn, ROOT, textOf } from './support/pages.ts'

const PAGE = 'ARCHITECTURE.md'
/** Both pages name files and words of the sources. */
const CODE = [...new Set([PAGE, 'docs/decisions.md'].flatMap((page) => codeIn(textOf(page).replace(/^```.*?^```$/gms, ''))))]
const SOURCES = ['src', 'prisma']
  .flatMap((folder) => readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)))
  .filter((path) => /\.(ts|sql|prisma)$/.test(path) && !path.includes('generated'))
  .map((path) => readFileSync(join(ROOT, path), 'utf8'))
  .join('\n')

test.each(CODE.filter((code) => /^[\w./-]+$/.test(code) && /\/|\.(?:ts|md|sql|prisma)$/.test(code)))('there is %s', (path) => {
  expect(['', 'src'].some((home) => existsSync(join(ROOT, home, path)))).toBe(true)
})

test.each(CODE.filter((code) => /^\w+$/.test(code)))('%s is a word of the sources', (word) => {
  expect(existsSync(join(ROOT, 'src', word)) || new RegExp(`\\b${word}\\b`).test(SOURCES)).toBe(true)
})

const IMPORTS = importsBelow(join(ROOT, 'src'))
const isImport = (from: string, to: string) => IMPORTS.some((each) => each.from === from && each.to === to)

/** Each arrow of the pictures, with the files at its ends. */
const ARROWS = blocksOf(PAGE)
  .filter(({ language }) => language === 'flow')
  .flatMap(({ text }) => [...text.matchAll(/(?<=(?<from>\S+) )(?<arrow>──►|··►) (?<to>\S+)/g)])
  .map(({ groups: { from = '', arrow = '', to = '' } = {} }) => ({ from, arrow, to }))

test.each(ARROWS)('$from $arrow $to', ({ from, arrow, to }) => {
  expect([from, to].filter((file) => !existsSync(join(ROOT, 'src', file)))).toEqual([])
  expect(isImport(from, to)).toBe(arrow === '──►')
})

test('one poll crosses at most 12 files, and the page fits in two screens', () => {
  const [poll = '', report = ''] = blocksOf(PAGE).flatMap(({ language, text }) => (language === 'flow' ? [text] : []))
  expect(new Set(poll.match(/\S+\.ts\b/g)).size).toBeLessThanOrEqual(12)
  expect(ARROWS.length).toBe([...(poll + report).matchAll(/[─·]►/g)].length)
  expect(
    textOf(PAGE)
      .split('\n')
      .filter((line) => line.length > 140),
  ).toEqual([])
  expect(textOf(PAGE).split('\n').length).toBeLessThanOrEqual(125)
})
