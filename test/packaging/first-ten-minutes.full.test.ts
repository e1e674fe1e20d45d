import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { expectMatrix } from '../support/matrix.ts'
import { ROOT } from './support/lint.ts'

/**
 * Every part of scripts/first-ten-minutes.mjs, so that each counts in CI. The script says what each of them does; of the pages it pastes the lines of
 * README.md, docs/install.md and all others that are for one machine. Needs `npm run build` first.
 */

const SCRIPT = join(ROOT, 'scripts', 'first-ten-minutes.mjs')
/** Below six minutes where the machine does nothing else. */
const TIMEOUT_MS = 1_800_000

const Rows = z.array(z.object({ setup: z.string(), result: z.string(), run: z.string() }))
const folder = mkdtempSync(join(tmpdir(), 'ten-minutes-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const script = (...args: readonly string[]) => spawnSync(process.execPath, [SCRIPT, '--built', ...args], { cwd: ROOT, encoding: 'utf8' })
const PARTS = script('--list').stdout.trim().split('\n')

test('an unknown part is refused with those that there are', () => {
  const { status, stderr } = script('nothing')
  expect([status, stderr]).toEqual([2, `unknown part nothing. Known: ${PARTS.join(', ')}\n`])
})

describe('the first ten minutes of a new user', () => {
  const rows = join(folder, 'rows.json')
  let output = ''
  let status: number | null = null

  // All at once: parts share what they install, and wait for npm and simulated days at the same time.
  beforeAll(async () => {
    const child = spawn(process.execPath, [SCRIPT, '--built', '--rows', rows], { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text
        // For the log of CI: what was installed, the figures, and the times.
        process.stdout.write(text)
      })
    }
    status = await new Promise((resolve) => child.on('close', resolve))
  }, TIMEOUT_MS)

  test.each(PARTS)('%s', (part) => {
    const lines = output.split('\n')
    expect(lines, output).toContain(`✓ ${part}`)
  })

  test('all of it', () => {
    expect(output).toMatch(/^\d+ passed, 0 failed$/m)
    expect(status).toBe(0)
  })

  test('the page on compatibility has what was run', () => expectMatrix('node', Rows.parse(JSON.parse(readFileSync(rows, 'utf8')))))
})
