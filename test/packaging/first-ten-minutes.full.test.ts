import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { expectMatrix, type MatrixRow } from '../support/matrix.ts'
import { ROOT } from './support/lint.ts'

/** Every part of scripts/first-ten-minutes.mjs, so that each counts in CI. The script says what each of them does. Needs `npm run build` first. */

const SCRIPT = join(ROOT, 'scripts', 'first-ten-minutes.mjs')
const SCRIPT_TIMEOUT_MS = 900_000

const script = (...args: readonly string[]) =>
  spawnSync(process.execPath, [SCRIPT, '--built', ...args], { cwd: ROOT, encoding: 'utf8', timeout: SCRIPT_TIMEOUT_MS })

const Rows = z.array(z.object({ setup: z.string(), result: z.string(), run: z.string() }))
const folder = mkdtempSync(join(tmpdir(), 'ten-minutes-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const PARTS = script('--list').stdout.trim().split('\n')

test('an unknown part is refused with those that there are', () => {
  const { status, stderr } = script('nothing')
  expect([status, stderr]).toEqual([2, `unknown part nothing. Known: ${PARTS.join(', ')}\n`])
})

describe('the first ten minutes of a new user', () => {
  const rows: MatrixRow[] = []

  test.each(PARTS)(
    '%s',
    (part) => {
      const { status, stdout, stderr } = script('--rows', join(folder, part), part)
      // For the log of CI: what was installed, the figures, and the times.
      process.stdout.write(stdout)
      expect(stdout + stderr).toMatch(/^1 passed, 0 failed$/m)
      expect(status).toBe(0)
      rows.push(...Rows.parse(JSON.parse(readFileSync(join(folder, part), 'utf8'))))
    },
    SCRIPT_TIMEOUT_MS,
  )

  test('the page on compatibility has what was run', () => expectMatrix('node', rows))
})
