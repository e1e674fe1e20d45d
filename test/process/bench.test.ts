import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { describeRedis } from '../support/redis.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

async function run(...args: string[]): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] })
  const said = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const) child[stream].setEncoding('utf8').on('data', (text: string) => (said[stream] += text))
  await once(child, 'close')
  return { code: child.exitCode, ...said }
}

const { BENCHES } = (await import(new URL('../../scripts/benches.mjs', import.meta.url).href)) as Benches
const { judge } = (await import(new URL('../../scripts/budgets.mjs', import.meta.url).href)) as Budgets
const STEPS = Object.entries(BENCHES).flatMap(([name, { steps }]) => steps.map((step) => ({ name, ...step })))
const smokes = (needs: Step['needs']) =>
  [...new Set(STEPS.filter((step) => step.smoke !== undefined && step.needs === needs).map(({ name }) => name))].map((name) => [name])

const figure: unknown = expect.any(Number)
/** What the document of every bench has. */
const EVERY = { machine: { node: process.version, cores: figure }, load: { before: figure, after: figure } }

const latency = { p50Ms: figure, p99Ms: figure }
const machine = { pollsPerSecond: figure, cpuPerPollMs: figure }

/** What the others ask for is in the document, too. */
const FIGURES: Readonly<Record<string, object>> = {
  hot: {
    cpuRatio: { A: { redis: figure, postgres: figure }, B: { redis: figure }, C: { redis: figure } },
    overNaive: { B: figure },
    transactionsPerPoll: { apps2000: figure },
    walPerPoll: { B: figure, C: figure },
    bytesPerRecipientDay: figure,
    growth: { cpuPerPoll100kOver1k: figure, cpuPerPollTwoYearsOverEmpty: figure },
    partSeconds: { redis: figure, growth: figure, apps: figure, postgres: figure },
    discardedRounds: { redis: figure, growth: figure, apps2000: figure, postgres: figure },
  },
  enqueue: {
    enqueue: {
      track: { database: { ...latency, tenAtOnce: latency }, queue: { ...latency, tenAtOnce: latency }, floor: latency },
      trackMany20x2: { databaseSeconds: figure, queueSeconds: figure },
      sqlFunctionMs: figure,
    },
  },
  start: {
    start: { versionOverNode: figure, importMs: figure },
    idle: { statementsPerMinute: figure, redisCommandsPerMinute: figure, rssMiB: figure },
  },
  machines: { machines: { 1: machine, 2: machine, rateCapHeld: expect.any(Boolean) } },
  lateness: { lateness: { p99Ms: figure }, sent: { plannedAfterSeconds: figure }, drain: { polls: 40, rssMiB: figure } },
}

/** 10 tasks of 100 people; the first person of them is in one of them and in tasks of the history. */
function expectAllRead(document: object): void {
  const { reading } = document as { readonly reading: Readonly<Record<string, Readonly<Record<string, number>>>> }
  expect(reading['xlsx100k']?.['bytes']).toBeGreaterThan(10_000)
  expect(reading['csv100k']?.['bytes']).toBeGreaterThan(100_000)
  expect(reading['erasure']?.['tasks']).toBeGreaterThan(1)
  expect(reading['retention']?.['tasks']).toBeGreaterThanOrEqual(50)
  expect(reading['pages']).toMatchObject({ overview: figure, compareTwo: figure })
}

/** The keys of the table of budgets begin with these; all others are of `hot`. The size of a bench is in one of its keys. */
const ROOTS: Readonly<Record<string, string>> = { start: 'start', idle: 'start', reading: 'reading', enqueue: 'enqueue' }
const LATE: Readonly<Record<string, string>> = { lateness: 'lateness', sent: 'lateness', drain: 'lateness' }
const benchOf = (key: string) => ({ ...ROOTS, ...LATE })[key.split('.')[0] ?? ''] ?? 'hot'
const missingFrom = (document: object, name: string) =>
  judge(document)
    .filter(({ key, value }) => value === null && benchOf(key) === name && !key.includes('trackMany10000x100'))
    .map(({ key }) => key)

/** With tiny sizes: whether each runs to its end, never how fast. */
async function smoke(name: string): Promise<object> {
  const directory = await mkdtemp(join(tmpdir(), 'bench-smoke-'))
  try {
    const file = join(directory, 'figures.json')
    const { code, stdout, stderr } = await run('scripts/bench.mjs', '--built', '--smoke', '--only', name, '--json', file)
    expect([code, code === 0 ? '' : stdout + stderr]).toEqual([0, ''])
    const document = JSON.parse(await readFile(file, 'utf8')) as { readonly runs: readonly unknown[] }
    expect(missingFrom(document, name)).toEqual([])
    expect(document.runs).toHaveLength(STEPS.filter((step) => step.name === name && step.smoke !== undefined).length)
    return document
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

describe('each bench runs to its end with tiny sizes', { timeout: 900_000 }, () => {
  test.each(smokes(undefined))('%s', async (name) => {
    const document = await smoke(name)
    expect(document).toMatchObject(EVERY)
    if (name === 'reading') expectAllRead(document)
  })
  describeRedis('with Redis', () => {
    test.each(smokes('redis-server'))('%s', async (name) => expect(await smoke(name)).toMatchObject({ ...EVERY, ...FIGURES[name] }))
  })
})

describe('npm run bench', () => {
  test('names all benches, and each has the files that it runs', async () => {
    const { code, stdout } = await run('scripts/bench.mjs', '--list')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^calls +\S/m)
    expect(stdout.trim().split('\n')).toHaveLength(Object.keys(BENCHES).length)
    const files = Object.values(BENCHES).flatMap(({ steps }) => steps.map(({ file }) => file))
    expect(files.filter((file) => !existsSync(join(ROOT, 'bench', file)))).toEqual([])
  })

  test('refuses a name that there is not, and says which there are', async () => {
    const { code, stderr } = await run('scripts/bench.mjs', '--only', 'calls,nothing')
    expect(code).toBe(2)
    expect(stderr).toMatch(/^--only "calls,nothing": there is no bench nothing\. Give one or more of: .*\bcalls, /)
  })
})

interface Budgets {
  readonly judge: (document: object) => ReadonlyArray<{ readonly key: string; readonly value: number | null }>
}

interface Step {
  readonly file: string
  readonly smoke?: readonly string[]
  readonly needs?: 'redis-server'
}

interface Benches {
  readonly BENCHES: Readonly<Record<string, { readonly steps: readonly Step[] }>>
}
