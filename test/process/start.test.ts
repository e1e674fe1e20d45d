import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { describeRedis } from '../support/redis.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

interface Figures {
  readonly start: Readonly<Record<'versionOverNode' | 'importMs' | 'workerReadyMs' | 'workerCpuMs', number>>
  readonly idle: Readonly<Record<'statementsPerMinute' | 'redisCommandsPerMinute' | 'rssMiB' | 'cpuPercent', number>>
}

describeRedis('bench/start.mjs', () => {
  test('runs to its end; a worker at rest asks PostgreSQL and Redis little', { timeout: 300_000 }, async () => {
    const directory = await mkdtemp(join(tmpdir(), 'bench-start-'))
    onTestFinished(() => rm(directory, { recursive: true, force: true }))
    const file = join(directory, 'figures.json')
    const args = ['bench/start.mjs', '--rounds', '1', '--seconds', '20', '--json', file]
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'ignore', 'pipe'] })
    let stderr = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    await once(child, 'close')
    expect([child.exitCode, stderr]).toEqual([0, ''])
    const { start, idle } = JSON.parse(await readFile(file, 'utf8')) as Figures
    expect(Object.values(start).every((value) => value > 0)).toBe(true)
    // 25 and 50 in a whole minute. In a third of one what is done once a minute counts three times, and on a busy machine the clock is measured more often.
    expect(idle.statementsPerMinute).toBeLessThanOrEqual(75)
    expect(idle.redisCommandsPerMinute).toBeLessThanOrEqual(110)
    expect(idle.rssMiB).toBeGreaterThan(0)
  })
})
