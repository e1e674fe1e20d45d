import { readdir } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import config from '../../vitest.config.ts'

const { test: tests } = z
  .object({ test: z.object({ projects: z.array(z.object({ test: z.object({ name: z.string() }) })) }) })
  .parse(config)

test('every test file belongs to a project, so that none is silently left out', async () => {
  const files = (await readdir(join(import.meta.dirname, '..'), { recursive: true })).filter((file) => file.endsWith('.test.ts'))
  const folders = new Set(files.map((file) => file.split(sep)[0]))
  expect(folders.size).toBeGreaterThan(1)
  expect(tests.projects.map((project) => project.test.name)).toEqual(expect.arrayContaining([...folders]))
})
