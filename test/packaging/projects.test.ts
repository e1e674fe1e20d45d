import { readdir, readFile } from 'node:fs/promises'
import { join, matchesGlob, sep } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import config from '../../vitest.config.ts'

const Config = z.object({
  test: z.object({
    projects: z.array(
      z.object({ test: z.object({ name: z.string(), include: z.array(z.string()), exclude: z.array(z.string()).default([]) }) }),
    ),
  }),
})
const ROOT = join(import.meta.dirname, '..', '..')

async function testFiles(): Promise<string[]> {
  const files = await readdir(join(ROOT, 'test'), { recursive: true })
  return files.filter((file) => file.endsWith('.test.ts')).map((file) => `test/${file.split(sep).join('/')}`)
}

/** The files that a run with this mode takes. */
async function filesOf(mode: string): Promise<string[]> {
  const { test: tests } = Config.parse(config({ command: 'serve', mode }))
  const isIn = (file: string, globs: readonly string[]): boolean => globs.some((glob) => matchesGlob(file, glob))
  return (await testFiles()).filter((file) =>
    tests.projects.some((project) => isIn(file, project.test.include) && !isIn(file, project.test.exclude)),
  )
}

test('every test file belongs to a project, and is in the quick set or is left out of it for the full one', async () => {
  const files = await testFiles()
  expect(files.length).toBeGreaterThan(100)
  expect(await filesOf('test')).toEqual(files)
  const quick = await filesOf('quick')
  expect(quick.length).toBeGreaterThan(100)
  expect(quick.filter((file) => /\.full\.test\.ts$|^test\/(bench|browser|faults|process)\//.test(file))).toEqual([])
})

test('the full check runs `npm test`, and every file that this leaves out or runs in part, in one more step', async () => {
  const script = await readFile(join(ROOT, 'scripts', 'check.mjs'), 'utf8')
  expect(script).toContain("'npm', 'test'")
  expect(script.match(/(?<='--mode', ')\w+/g)).toEqual(['core', 'rest'])
  const [quick, core, rest] = await Promise.all([filesOf('quick'), filesOf('core'), filesOf('rest')])
  expect(core.filter((file) => rest.includes(file))).toEqual([])
  const once = (await testFiles()).filter((file) => !core.includes(file) && !rest.includes(file))
  expect(once.filter((file) => !quick.includes(file) || file.includes('random'))).toEqual([])
})

test('the files that start first are there', async () => {
  const text = await readFile(join(ROOT, 'vitest.config.ts'), 'utf8')
  const [, list = ''] = /^const LONGEST = \[(.*?)\]/ms.exec(text) ?? []
  const first = [...list.matchAll(/'(.+?)'/g)].map(([, file = '']) => `test/${file}.test.ts`)
  expect(first.length).toBeGreaterThan(1)
  const files = await testFiles()
  expect(first.filter((file) => !files.includes(file))).toEqual([])
})
