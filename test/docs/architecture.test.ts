import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { codeIn, ROOT, textOf } from './support/pages.ts'

const CODE = [...new Set(codeIn(textOf('ARCHITECTURE.md').replace(/^```.*?^```$/gms, '')))]
const SOURCES = ['src', 'prisma']
  .flatMap((folder) => readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)))
  .filter((path) => /\.(ts|sql|prisma)$/.test(path) && !path.includes('generated'))
  .map((path) => readFileSync(join(ROOT, path), 'utf8'))
  .join('\n')

test.each(CODE.filter((code) => code.includes('/')))('there is %s', (path) => {
  // Paths are from the project's folder, from `src/`, or, where the row names the folder, from there.
  const homes = ['', 'src', 'src/core']
  expect(homes.some((home) => existsSync(join(ROOT, home, path)))).toBe(true)
})

test.each(CODE.filter((code) => /^[\w-]+\.ts$/.test(code)))('there is a file %s', (file) => {
  expect(existsSync(join(ROOT, 'src/core', file)) || existsSync(join(ROOT, 'src', file))).toBe(true)
})

test.each(CODE.filter((code) => /^[A-Za-z_]+$/.test(code)))('%s is a word of the sources', (word) => {
  const isFolder = existsSync(join(ROOT, 'src', word))
  expect(isFolder || new RegExp(`\\b${word}\\b`).test(SOURCES)).toBe(true)
})

test.each(CODE.filter((code) => /^\w+\(/.test(code)))('%s takes what the page says', (call) => {
  const [, name = '', given = ''] = /^(\w+)\(\{?([^)}]*)\}?\)$/.exec(call) ?? []
  const parameters = new RegExp(`export (?:async )?function ${name}\\(([^)]*)\\)`).exec(SOURCES)?.[1]
  const names = parameters?.split(',').map((parameter) => parameter.trim().split(/[:?]/)[0])
  if (names !== undefined && !given.includes('Url')) return expect(given.split(', ')).toEqual(names)
  expect(SOURCES).toMatch(new RegExp(`\\b${name}\\b`))
})
