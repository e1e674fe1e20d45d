import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Whether it runs, not how fast. */
const TINY = ['--tasks', '100', '--runs', '1', '--seconds', '1']

test('bench/reading.mjs runs to its end, and writes a figure for each question', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'bench-reading-'))
  try {
    const file = join(directory, 'figures.json')
    const { stdout, stderr } = await promisify(execFile)(process.execPath, ['bench/reading.mjs', ...TINY, '--json', file], { cwd: ROOT })
    expect(stderr).toBe('')
    expect(stdout).toMatch(/^seeded in \d+ s$/m)
    const { reading } = JSON.parse(await readFile(file, 'utf8')) as { reading: Readonly<Record<string, Readonly<Record<string, number>>>> }
    const asked = ['task', 'campaign5k', 'campaign100k', 'campaigns', 'overview', 'gauges', 'unreadSearch', 'timeToReadQuarter']
    for (const key of asked) expect([key, reading[key]]).toMatchObject([key, { medianMs: expect.any(Number), p99Ms: expect.any(Number) }])
    expect(reading['page100k']).toMatchObject({ sixViewersMs: expect.any(Number) })
    // 10 tasks of 100 people; the first person of them is in one of them and in tasks of the history.
    expect(reading['xlsx100k']?.['bytes']).toBeGreaterThan(10_000)
    expect(reading['csv100k']?.['bytes']).toBeGreaterThan(100_000)
    expect(reading['erasure']?.['tasks']).toBeGreaterThan(1)
    expect(reading['retention']?.['tasks']).toBeGreaterThanOrEqual(50)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
})
