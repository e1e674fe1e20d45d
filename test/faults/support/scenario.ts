import { appendFileSync } from 'node:fs'
import pg from 'pg'
import { describe, expect, test } from 'vitest'
import { createTracker, type Tracker } from '../../../src/index.ts'
import { chance as draw } from '../../../src/simulator/chance.ts'
import type { Person, SentTask } from '../../support/api-page-server.ts'
import { judge, type Verdict } from '../../support/oracle.ts'
import { until } from '../../support/wait.ts'
import { type Backend, backends, type Day, dayMs, makeWorld, type World, type WorldOptions } from '../../support/world.ts'

/** One fault of the list, and what is promised about it. */
export interface FaultScenario extends WorldOptions {
  /** As in the list of faults, such as `F1`; one fault may have several scenarios. */
  readonly fault: string
  /** What happens, as the end of the sentence "nothing is lost when …". */
  readonly when: string
  /** Default: all that this machine has. */
  readonly backends?: readonly Backend[]
  /** More than one try in the long form, each with its own seed, on the queues in turn. */
  readonly manySeeds?: boolean
  /** Not in the short form: it costs many processes, or another scenario of the same fault is there. */
  readonly onlyLong?: boolean
  /** Default: a day of 40 s with 24 polls. */
  readonly day?: Day
  /** Default 30, in the short form 12. */
  readonly tasks?: number
  /** How many are started before any task is there. Default 1. Null: the strike starts them, and begins at once. */
  readonly workers?: number | null
  /** Starts the workers in another way. */
  readonly begin?: (world: World) => Promise<unknown>
  /**
   * Does the harm. Resolves when the harm is over: from then on polls must be made again. Tasks are being looked at when it begins.
   * Waits in it belong to the fault (an outage of 20 s) and are no waits of the test.
   */
  readonly strike: (world: World, chance: Chance) => Promise<void>
  /** Every poll is made at most so long after it was due, or after the harm if it was due before, in milliseconds. Default 5,000; null: not promised. The table has what was measured; for what the test allows, see `Allowance`. */
  readonly recoversWithinMs?: number | null | Readonly<Record<Backend, number>>
  /** Calls whose answers are in no row, as a share of the recorded polls. Default 0.05; what is under `extraCalls` is always allowed. */
  readonly extraShare?: number
  /** Calls that the fault may cost besides. Default: one poll of each concurrent job and worker is lost at most. */
  readonly extraCalls?: number
  /** The harm may last over the final poll of a task, whose end is then not known. */
  readonly mayBeBlind?: boolean
  /** More promises of this fault. Called when all tasks have ended. */
  readonly afterwards?: (world: World, verdict: Verdict) => Promise<void>
}

/** Draws that repeat with the seed. */
export interface Chance {
  readonly seed: number
  between(from: number, to: number, about: string): number
}

/** A fault is over, looked at from outside. */
interface Measured {
  readonly fault: string
  readonly when: string
  readonly backend: Backend
  readonly seed: number
  readonly tasks: number
  /** Null: not asked, where the fault itself takes tasks away. */
  readonly lost: number | null
  readonly wrong: number | null
  readonly polls: number
  readonly extraCalls: number
  /** Null: nothing was interrupted. */
  readonly recoverMs: number | null
}

const DEFAULT_DAY: Day = { timeScale: 2160, pollsPerTask: 24 }

/** What the machine itself may cost. */
export interface Allowance {
  /** A poll may be so many times as late as is promised. */
  readonly late: number
  /**
   * The share of a day for which nothing may be known before a deadline. In a day of 40 s the final poll is a tenth of a second before the deadline
   * and may miss it; the one before it is a fifth of the day earlier.
   */
  readonly blindShare: number
}

/** In the long form little else runs. */
export const QUIET: Allowance = { late: 2, blindShare: 0.3 }
/** In the short form all other tests run beside it: a poll may be late, as long as it is made. */
const BUSY: Allowance = { late: 6, blindShare: 0.8 }

/** Of tasks that were due long ago when the window ended. */
const PATIENCE_MS = 60_000

const { FAULT_SEED: ONLY_SEED, FAULT_SEEDS: SEEDS } = process.env
/** `npm test` has the short form: each scenario once, with fewer tasks, on one queue or the other. */
const IS_SHORT = ONLY_SEED === undefined && SEEDS === undefined

/** In the long form FAULT_SEEDS of them for the scenarios that want many; FAULT_SEED=N repeats one alone. */
function seedsOf({ manySeeds }: FaultScenario, queue: number, queues: number): number[] {
  if (ONLY_SEED !== undefined || SEEDS === undefined || manySeeds !== true) return [Number(ONLY_SEED ?? 1)]
  return Array.from({ length: Number(SEEDS) }, (_, i) => i + 1).filter((seed) => seed % queues === queue)
}

/** In the short form the queues take turns. */
function backendsOf(scenario: FaultScenario, i: number): readonly Backend[] {
  const here = backends().filter((backend) => scenario.backends?.includes(backend) ?? true)
  return IS_SHORT ? here.slice(i % here.length, (i % here.length) + 1) : here
}

export function chanceOf(seed: number): Chance {
  return { seed, between: (from, to, about) => from + (to - from) * draw(seed, about) }
}

/** Tests of a fault: for each backend and seed a world, a day of work, the harm, and the oracle. */
export function faultTests(scenarios: readonly FaultScenario[]): void {
  const meant = scenarios.filter(({ onlyLong }) => !(IS_SHORT && onlyLong === true))
  const runs = meant.flatMap((scenario, i) =>
    backendsOf(scenario, i).flatMap((backend, queue, { length }) =>
      seedsOf(scenario, queue, length).map((seed) => ({ ...scenario, backend, seed })),
    ),
  )
  describe.concurrent('nothing is lost', () => {
    for (const run of runs) {
      test.concurrent(`${run.fault} on ${run.backend} when ${run.when} (seed ${run.seed})`, { timeout: 300_000 }, async ({
        onTestFinished,
      }) => {
        const ran = await runScenario(run, onTestFinished)
        const replay = `To repeat it: FAULT_SEED=${run.seed} npx vitest run --project faults -t '${run.fault} on ${run.backend}'`
        expect(brokenPromises(run, ran), replay).toEqual([])
        await run.afterwards?.(ran.world, ran.verdict)
      })
    }
  })
}

export type Run = FaultScenario & { readonly backend: Backend; readonly seed: number }

/** In words; empty where all were kept. */
export function brokenPromises(run: Run, { world, verdict, recoverMs }: Ran, allowed: Allowance = IS_SHORT ? BUSY : QUIET): string[] {
  const { lost, wrong, extraCalls, polls } = verdict
  const [promisedMs, blind] = [promiseOf(run), blindMs(verdict)]
  return [
    ...lost,
    ...wrong,
    ...(extraCalls > allowedExtra(run, polls) ? [`${extraCalls} calls are in no row, beside ${polls} polls`] : []),
    ...(promisedMs !== null && recoverMs > promisedMs * allowed.late
      ? [`a poll came ${recoverMs} ms late, promised are ${promisedMs} ms`]
      : []),
    ...(run.mayBeBlind !== true && blind > dayMs(world.day) * allowed.blindShare
      ? [`nothing is known for ${blind} ms before a deadline`]
      : []),
  ]
}

function promiseOf({ recoversWithinMs = 5_000, backend }: Run): number | null {
  return typeof recoversWithinMs === 'object' && recoversWithinMs !== null ? recoversWithinMs[backend] : recoversWithinMs
}

export interface Ran {
  readonly world: World
  readonly verdict: Verdict
  readonly recoverMs: number
}

export async function runScenario(run: Run, onTestFinished: (close: () => Promise<void>) => void): Promise<Ran> {
  const { fault, when, backend, seed, day = DEFAULT_DAY, workers = 1 } = run
  const chance = chanceOf(seed)
  const world = await makeWorld(backend, day, onTestFinished, run)
  if (run.begin === undefined) await Promise.all(Array.from({ length: workers ?? 0 }, () => world.start()))
  else await run.begin(world)
  const tasks = seededTasks(chance, run.tasks ?? (IS_SHORT ? 12 : 30), Date.now(), dayMs(day))
  await trackAll(world, tasks)
  if (workers !== null) await looksAreMade(world)
  const begun = Date.now()
  await run.strike(world, chance)
  const over = Date.now()
  const verdict = await end(world)
  const recoverMs = await lateness(world, begun, over)
  const { polls, extraCalls, lost, wrong } = verdict
  record({
    fault,
    when,
    backend,
    seed,
    tasks: world.server.tasks.size,
    lost: lost.length,
    wrong: wrong.length,
    polls,
    extraCalls,
    recoverMs,
  })
  return { world, verdict, recoverMs }
}

/** The longest time for which nothing is known before a deadline, in milliseconds. */
function blindMs({ rows }: Verdict): number {
  const expired = [...rows.values()].filter(({ status }) => status === 'expired')
  return Math.max(0, ...expired.map((row) => row.deadline_at.getTime() - (row.last_observed_at?.getTime() ?? -Infinity)))
}

function allowedExtra({ extraShare = 0.05, extraCalls = 10 }: Run, polls: number): number {
  return Math.max(extraCalls, polls * extraShare)
}

/** Tasks whose one to eight people read at any time of the day, or never. */
export function seededTasks(chance: Chance, count: number, now: number, day: number): SentTask[] {
  return Array.from({ length: count }, (_, i) => {
    const people = Array.from({ length: 1 + Math.floor(chance.between(0, 8, `people ${i}`)) }, (__, k) =>
      seededPerson(chance, `${i} ${k}`, now, day),
    )
    // 2^53 is 9007199254740992: these ids need every digit.
    return { taskId: String(9_007_199_254_740_993_500n + BigInt(i)), agentId: '836390886', sentAt: now, windowMs: day, people }
  })
}

function seededPerson(chance: Chance, who: string, now: number, day: number): Person {
  const fates: ReadonlyArray<Person['fate']> = ['invalid', 'failed', 'forbidden']
  const lot = chance.between(0, 1, `fate ${who}`)
  return {
    userId: `0${who.replace(' ', '-')}`,
    fate: lot < 0.05 ? (fates[Math.floor(lot * 60)] ?? 'invalid') : 'delivered',
    listedAt: now + chance.between(0, day / 200, `listed ${who}`),
    readAt: lot > 0.75 ? null : now + chance.between(day / 100, day * 0.95, `read ${who}`),
  }
}

/** Half of them through the database, half through the queue, and again where a door refuses, as senders do. All are acknowledged when it returns. */
export async function trackAll(world: World, tasks: readonly SentTask[]): Promise<void> {
  for (const task of tasks) world.server.add(task)
  const intakes = [createTracker({ databaseUrl: world.sendersUrl }), createTracker({ queueUrl: world.queueUrl })]
  const acknowledged = async (door: Tracker, i: number): Promise<unknown> =>
    until(() => door.trackMany(tasks.filter((_, n) => n % intakes.length === i).map(requestOf)), { what: 'the tasks are acknowledged' })
  try {
    await Promise.all(intakes.map(acknowledged))
  } finally {
    await Promise.all(intakes.map((door) => door.close()))
  }
}

export function requestOf(task: SentTask) {
  const { taskId, agentId, sentAt } = task
  return { taskId, agentId, sentAt: new Date(sentAt), campaign: 'faults', userIds: task.people.map((person) => person.userId) }
}

async function looksAreMade(world: World): Promise<void> {
  await until(() => [...world.server.calls.values()].some((calls) => calls > 1), { timeoutMs: 60_000, what: 'polls are being made' })
}

/**
 * How late the latest poll was that was made since the harm began: after it was due, or where that was earlier after the harm was over, in
 * milliseconds. So a single task that was forgotten for a while shows.
 */
function lateness(world: World, begun: number, over: number): Promise<number> {
  return withDatabase(world, async (client) => {
    const { rows } = await client.query<{ late: number | null }>(
      `SELECT max(extract(epoch FROM requested_at - greatest(due_at, $2)) * 1000)::float AS late
       FROM delivery_poll WHERE requested_at >= $1 AND outcome <> 'throttled'`,
      [new Date(begun), new Date(over)],
    )
    return Math.max(0, Math.round(rows[0]?.late ?? 0))
  })
}

/** Waits until no task is open, and asks the oracle. */
export async function end(world: World): Promise<Verdict> {
  const latest = Math.max(...[...world.server.tasks.values()].map((task) => task.sentAt + task.windowMs))
  const open = 'SELECT count(*)::int AS open FROM delivery_task WHERE status = $1'
  await withDatabase(world, async (client) => {
    const rows = world.server.tasks.size
    const isOver = async (): Promise<boolean> => {
      const { rows: stored } = await client.query<{ all: number }>('SELECT count(*)::int AS all FROM delivery_task')
      return stored[0]?.all === rows && (await client.query<{ open: number }>(open, ['tracking'])).rows[0]?.open === 0
    }
    const timeoutMs = Math.max(0, latest - Date.now()) + PATIENCE_MS
    // What did not end is the oracle's to name.
    await until(isOver, { timeoutMs, everyMs: 200, what: 'all tasks have ended' }).catch(() => undefined)
  })
  return judge(world.databaseUrl, world.server)
}

export async function withDatabase<T>(world: World, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: world.databaseUrl })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

/** A line for the table in the docs, where FAULT_REPORT names a file. */
export function record(measured: Measured): void {
  const path = process.env['FAULT_REPORT']
  if (path !== undefined) appendFileSync(path, `${JSON.stringify(measured)}\n`)
}
