import { readdir, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { createTracker, type Tracker } from '../../src/index.ts'
import type { SentTask } from '../support/api-page-server.ts'
import { until } from '../support/wait.ts'
import { type Backend, backends, dayMs, makeWorld, type World } from '../support/world.ts'
import { type Probes, probesOf } from './support/health.ts'
import { mischiefAt, type Victims } from './support/mischief.ts'
import { redisOf, withRedis } from './support/redis.ts'
import { type Chance, chanceOf, end, seededTasks, withDatabase } from './support/scenario.ts'

/** F29. Run by `npm run soak`; see scripts/soak.mjs. */
const MINUTE_MS = 60_000
const DURATION_MS = Number(process.env['SOAK_MINUTES'] ?? 1) * MINUTE_MS
const SEED = Number(process.env['SOAK_SEED'] ?? 1)
const REPORT = process.env['SOAK_REPORT']
const DAY = { timeScale: 720, pollsPerTask: 24 }
/** From one task to the next. */
const SEND_EVERY_MS = 1_500
/** From the end of one harm to the next. */
const PEACE_MS = { from: 5_000, to: 20_000 }

interface Sample {
  readonly atMs: number
  readonly heapMb: number
  readonly rssMb: number
  readonly descriptors: number
  readonly keys: number
}

describe.concurrent('a long life', () => {
  for (const backend of backends()) {
    test.concurrent(`on ${backend}`, { timeout: DURATION_MS + 10 * MINUTE_MS }, async ({ onTestFinished }) => {
      const chance = chanceOf(SEED)
      const world = await makeWorld(backend, DAY, onTestFinished, { ownPostgres: true })
      const victims: Victims = { world, veteran: await world.start(), worker: await world.start() }
      const probes = await probesOf(victims.veteran)
      const state = { endAt: Date.now() + DURATION_MS - dayMs(DAY), samples: [] as Sample[], harms: new Map<string, number>() }
      const watching = watch(world, victims, probes, state)
      await Promise.all([send(world, chance, state.endAt), makeMischief(victims, chance, state)])
      const verdict = await end(world)
      // What is left when nothing is open any more.
      await until(async () => (await keysOf(world)) <= KEYS_AT_REST, { what: 'the queue is empty' })
      state.endAt = -Infinity
      await watching
      const growth = growthOf(state.samples)
      await report(backend, { tasks: world.server.tasks.size, ...summary(verdict), harms: Object.fromEntries(state.harms), ...growth })
      expect({ lost: verdict.lost, wrong: verdict.wrong }).toEqual({ lost: [], wrong: [] })
      expect(verdict.extraCalls).toBeLessThan(verdict.polls * 0.1)
      expect(victims.veteran.stderr()).not.toMatch(/unhandledRejection|uncaughtException/)
      expect(growth.heapMb.last, 'heap, MB, its floor in the last third').toBeLessThan(growth.heapMb.first * 1.25 + 5)
      expect(growth.descriptors.last, 'file descriptors in the last third').toBeLessThan(growth.descriptors.first * 1.25 + 5)
    })
  }
})

/** The queue's own: its meta data and the capped stream of its events. */
const KEYS_AT_REST = 10

interface Going {
  endAt: number
  readonly samples: Sample[]
  readonly harms: Map<string, number>
}

/** Tasks come in evenly, through each door in turn, and again while a door refuses. */
async function send(world: World, chance: Chance, endAt: number): Promise<void> {
  const intakes = [createTracker({ databaseUrl: world.sendersUrl }), createTracker({ queueUrl: world.queueUrl })]
  const under: Array<Promise<void>> = []
  for (let n = 0; Date.now() < endAt; n++) {
    under.push(sendOne(world, intakes[n % intakes.length], seededTask(chance, n)))
    await sleep(SEND_EVERY_MS)
  }
  await Promise.all(under)
  await Promise.all(intakes.map((door) => door.close()))
}

function seededTask(chance: Chance, n: number): SentTask {
  const [task] = seededTasks(chanceOf(chance.seed * 100_003 + n), 1, Date.now(), dayMs(DAY))
  if (task === undefined) throw new RangeError('one task was asked for')
  return { ...task, taskId: String(9_007_199_255_000_000_000n + BigInt(n)) }
}

async function sendOne(world: World, door: Tracker | undefined, task: SentTask): Promise<void> {
  world.server.add(task)
  const { taskId, agentId, sentAt, people } = task
  const request = { taskId, agentId, sentAt: new Date(sentAt), campaign: 'soak', userIds: people.map(({ userId }) => userId) }
  await until(() => door?.track(request), { timeoutMs: MINUTE_MS, everyMs: 500, what: `task ${taskId} is acknowledged` })
}

async function makeMischief(victims: Victims, chance: Chance, state: Going): Promise<void> {
  for (let n = 0; ; n++) {
    await sleep(chance.between(PEACE_MS.from, PEACE_MS.to, `peace ${n}`))
    if (Date.now() > state.endAt) return
    const { name, harm } = mischiefAt(n, victims.world.backend, chance)
    say(victims.world, name)
    await harm(victims, (from, to) => chance.between(from, to, `harm ${n}`))
    state.harms.set(name, (state.harms.get(name) ?? 0) + 1)
  }
}

/** Every second; a line a minute. */
async function watch(world: World, { veteran }: Victims, probes: Probes, state: Going): Promise<void> {
  const begun = Date.now()
  let saidAt = begun
  while (state.endAt !== -Infinity) {
    await sleep(1_000)
    const sample = await sampleOf(world, veteran.pid, probes, Date.now() - begun).catch(() => null)
    if (sample === null) continue
    state.samples.push(sample)
    if (Date.now() - saidAt < MINUTE_MS) continue
    saidAt = Date.now()
    say(world, `${JSON.stringify(sample)}, ${world.server.tasks.size} tasks, ${sum([...state.harms.values()])} harms`)
  }
}

async function sampleOf(world: World, pid: number, probes: Probes, atMs: number): Promise<Sample> {
  const page = await probes.metrics()
  const megabytes = (name: string): number => Math.round(Number(new RegExp(`^${name} (\\S+)`, 'm').exec(page)?.[1] ?? Number.NaN) / 2 ** 20)
  return {
    atMs,
    heapMb: megabytes('nodejs_heap_size_used_bytes'),
    rssMb: megabytes('process_resident_memory_bytes'),
    descriptors: (await readdir(`/proc/${pid}/fd`)).length,
    keys: await keysOf(world),
  }
}

function keysOf(world: World): Promise<number> {
  if (world.backend === 'redis') return withRedis(redisOf(world).adminUrl, (redis) => redis.dbsize())
  return withDatabase(world, async (client) => {
    const { rows } = await client.query<{ jobs: number }>('SELECT count(*)::int AS jobs FROM bullmq.job')
    return rows[0]?.jobs ?? 0
  })
}

interface Trend {
  readonly first: number
  readonly last: number
  readonly max: number
}

/** First and last third. Of the heap the lowest of each ten samples: what is left after a collection. */
function growthOf(samples: readonly Sample[]) {
  const floors = samples.flatMap((_, i) => (i % 10 === 0 ? [Math.min(...samples.slice(i, i + 10).map(({ heapMb }) => heapMb))] : []))
  const column = (name: keyof Sample): number[] => samples.map((sample) => sample[name])
  return { heapMb: trend(floors), rssMb: trend(column('rssMb')), descriptors: trend(column('descriptors')), keys: trend(column('keys')) }
}

function trend(values: readonly number[]): Trend {
  const third = Math.max(1, Math.floor(values.length / 3))
  return { first: median(values.slice(0, third)), last: median(values.slice(-third)), max: Math.max(...values) }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

function summary({
  lost,
  wrong,
  polls,
  extraCalls,
}: {
  lost: readonly string[]
  wrong: readonly string[]
  polls: number
  extraCalls: number
}) {
  return { lost: lost.length, wrong: wrong.length, polls, extraCalls }
}

async function report(backend: Backend, findings: Record<string, unknown>): Promise<void> {
  const text = JSON.stringify({ backend, seed: SEED, minutes: DURATION_MS / MINUTE_MS, ...findings }, null, 2)
  process.stdout.write(`${text}\n`)
  if (REPORT !== undefined) await writeFile(`${REPORT}.${backend}.json`, `${text}\n`)
}

function say({ backend }: World, what: string): void {
  process.stdout.write(`${new Date().toISOString()} ${backend}: ${what}\n`)
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}
