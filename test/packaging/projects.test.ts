import { readdir } from 'node:fs/promises'
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

test('every test file belongs to a project, and is in the quick set or in the rest', async () => {
  const files = await testFiles()
  expect(files.length).toBeGreaterThan(100)
  expect(await filesOf('test')).toEqual(files)
  const [quick, rest] = [await filesOf('quick'), await filesOf('rest')]
  expect(files.filter((file) => !quick.includes(file) && !rest.includes(file))).toEqual([])
  expect(files.filter((file) => quick.includes(file) && rest.includes(file) && !/random[^/]*$/.test(file))).toEqual([])
})
