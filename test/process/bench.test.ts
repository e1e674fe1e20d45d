import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { describeRedis } from '../support/redis.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

async function run(...args: string[]): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] })
  const said = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const) child[stream].setEncoding('utf8').on('data', (text: string) => (said[stream] += text))
  await once(child, 'close')
  return { code: child.exitCode, ...said }
}

/** Whether it runs to its end and which figures it has, not how fast. */
async function figuresOf(file: string, ...args: string[]): Promise<Readonly<Record<string, unknown>>> {
  const path = join(await mkdtemp(join(tmpdir(), 'bench-figures-')), 'figures.json')
  onTestFinished(() => rm(dirname(path), { recursive: true, force: true }))
  const { code, stderr } = await run(file, ...args, '--json', path)
  expect([code, stderr]).toEqual([0, ''])
  return JSON.parse(await readFile(path, 'utf8')) as Readonly<Record<string, unknown>>
}

describeRedis('benches of workers run to their end', () => {
  test('machines', async () => {
    const tiny = ['--workers', '1,2', '--tasks', '40', '--people', '2', '--apps', '2', '--rounds', '1', '--cap', '20']
    const figures = await figuresOf('bench/machines.mjs', ...tiny)
    for (const workers of [1, 2]) {
      expect(figures[`machines.${workers}.pollsPerSecond`]).toBeGreaterThan(0)
      expect(figures[`machines.${workers}.cpuPerPollMs`]).toBeGreaterThanOrEqual(0)
    }
    expect(figures['machines.rateCapHeld']).toBeTypeOf('boolean')
  })

  test('lateness', async () => {
    const figures = await figuresOf(
      'bench/lateness.mjs',
      ...['--live', '200', '--people', '2', '--calibrate', '40', '--seconds', '1', '--sent', '50', '--due', '40'],
    )
    expect(figures['lateness.p99Ms']).toBeGreaterThanOrEqual(0)
    expect(figures['sent.plannedAfterSeconds']).toBeGreaterThan(0)
    expect(figures['drain.polls']).toBe(40)
    expect(figures['drain.rssMiB']).toBeGreaterThan(0)
    expect(figures['drain.ordinaryBeforeLastFinal']).toBeLessThan(38)
  })
})

describeRedis('bench/enqueue.mjs', () => {
  test('runs to its end, and has a figure for each way to enqueue', async () => {
    const { code, stdout, stderr } = await run('bench/enqueue.mjs', '--tasks', '20', '--people', '2', '--calls', '5', '--rounds', '1')
    expect([code, stderr]).toEqual([0, ''])
    const latency = { p50Ms: expect.any(Number), p99Ms: expect.any(Number) }
    const { enqueue } = JSON.parse(stdout.slice(stdout.indexOf('\n{'))) as { readonly enqueue: unknown }
    expect(enqueue).toMatchObject({
      track: { database: { ...latency, tenAtOnce: latency }, queue: { ...latency, tenAtOnce: latency }, floor: latency },
      trackMany20x2: { databaseSeconds: expect.any(Number), queueSeconds: expect.any(Number) },
      sqlFunctionMs: expect.any(Number),
    })
  })
})

describe('npm run bench', () => {
  test('names all benches, and each has the files that it runs', async () => {
    const { code, stdout } = await run('scripts/bench.mjs', '--list')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^calls +\S/m)
    const { BENCHES } = (await import(new URL('../../scripts/benches.mjs', import.meta.url).href)) as Benches
    expect(stdout.trim().split('\n')).toHaveLength(Object.keys(BENCHES).length)
    const files = Object.values(BENCHES).flatMap(({ steps }) => steps.map(({ file }) => file))
    expect(files.filter((file) => !existsSync(join(ROOT, 'bench', file)))).toEqual([])
  })

  test('refuses a name that there is not, and says which there are', async () => {
    const { code, stderr } = await run('scripts/bench.mjs', '--only', 'calls,nothing')
    expect(code).toBe(2)
    expect(stderr).toMatch(/^--only "calls,nothing": there is no bench nothing\. Give one or more of: calls, /)
  })
})

interface Benches {
  readonly BENCHES: Readonly<Record<string, { readonly steps: ReadonlyArray<{ readonly file: string }> }>>
}
