import { setTimeout as sleep } from 'node:timers/promises'
import { createPostgresBackend, Queue } from 'bullmq'
import { expect } from 'vitest'
import { inconsistencies } from '../../support/oracle.ts'
import type { Exit, NodeProcess } from '../../support/process.ts'
import { type ProxyMode, startProxy } from '../../support/tcp-proxy.ts'
import { until } from '../../support/wait.ts'
import { atFailPoint, atSabotage, dayMs, type World } from '../../support/world.ts'
import { probesOf } from '../support/health.ts'
import { type Chance, chanceOf, type FaultScenario, seededTasks, trackAll, withDatabase } from '../support/scenario.ts'
import { endOf, firstOf, holdAnswers, totalCalls } from '../support/workers.ts'

/** Of a worker's hold on a job, in this compressed day. */
const LOCK_MS = 2_000
/**
 * In the long form 25 over 300 tasks. The start of a worker is a second of a core: the day must be long enough for polls in between, or there
 * would be nothing to lose.
 */
const [KILLS, TIME_SCALE, CONCURRENCY] = process.env['FAULT_SEEDS'] === undefined ? [6, 2880, 5] : [25, 1440, 50]
const TASKS_A_KILL = 11
const TASKS_AT_FIRST = 25
const LOOKS_A_TASK = 8

export const WORKERS_ARE_KILLED: FaultScenario = {
  fault: 'F9',
  when: `workers are killed ${KILLS} times while they poll`,
  manySeeds: true,
  day: { timeScale: TIME_SCALE, pollsPerTask: LOOKS_A_TASK },
  tasks: TASKS_AT_FIRST,
  workers: 3,
  // With all other tests beside it every task is overdue, and a worker that dies takes as many polls with it as it may have under way.
  env: { WORKER_CONCURRENCY: `${CONCURRENCY}` },
  // Starting so many processes is most of the work of a small machine.
  recoversWithinMs: null,
  // 5 % of the plan.
  extraCalls: 0.05 * (TASKS_AT_FIRST + KILLS * TASKS_A_KILL) * LOOKS_A_TASK,
  extraShare: 0,
  // With 8 polls in a day the one before the last is a third of the day earlier, and a final poll may be lost with its worker.
  mayBeBlind: true,
  async strike(world, chance) {
    // As long as DingTalk takes: a worker that is killed has polls under way.
    world.server.beforeAnswer = () => sleep(20)
    for (let kill = 0; kill < KILLS; kill++) {
      await trackAll(world, moreTasks(world, chance, kill))
      await callsAreMade(world, 1 + Math.floor(chance.between(0, 12, `calls before kill ${kill}`)))
      const ready = await untilReady(world)
      const victim = ready[Math.floor(chance.between(0, ready.length, `victim ${kill}`))]
      victim?.kill('SIGKILL')
      await victim?.exit
      world.launch()
    }
    await untilReady(world)
  },
}

/** Those that look; one at least. A worker that is killed while it starts would be a death that costs nothing. */
async function untilReady({ workers }: World): Promise<NodeProcess[]> {
  const ready = async (): Promise<NodeProcess[]> => {
    const ends = await Promise.all(workers.map(endOf))
    return workers.filter((worker, i) => ends[i] === null && worker.stderr().includes('worker ready'))
  }
  return until(async () => ((await ready()).length > 0 ? ready() : null), { timeoutMs: 120_000, what: 'a worker polls' })
}

/** Sending code goes on while the workers die: so they have polls of every age to make. */
function moreTasks(world: World, chance: Chance, kill: number) {
  const tasks = seededTasks(chanceOf(chance.seed * 1_000 + kill), TASKS_A_KILL, Date.now(), dayMs(world.day))
  return tasks.map((task, i) => ({ ...task, taskId: `${8_000_000_000 + kill * TASKS_A_KILL + i}` }))
}

/** In the gap between two polls of all tasks a worker is killed asleep. */
async function callsAreMade({ server }: World, count: number): Promise<void> {
  const before = totalCalls(server)
  await until(() => totalCalls(server) >= before + count, { timeoutMs: 2_000, everyMs: 2, what: `${count} calls are made` }).catch(() => {})
}

const HELD = 10

export const WORKER_WAKES_FROM_THE_DEAD: FaultScenario = {
  fault: 'F10',
  when: 'a worker is stopped for longer than its lock in the middle of its polls, and goes on',
  // All that it had under way is asked for again.
  extraCalls: 50,
  async strike(world) {
    const sleeper = firstOf(world.workers)
    const answers = holdAnswers(world.server)
    await answers.count(HELD)
    sleeper.kill('SIGSTOP')
    const taskIds = answers.taskIds()
    const polls = await looksOf(world, taskIds)
    // The answers lie in its sockets until it wakes up.
    answers.release()
    await Promise.all([world.start(), sleep(3 * LOCK_MS)])
    const isOvertaken = async (): Promise<boolean> => (await looksOf(world, taskIds)) >= polls + taskIds.length
    await until(isOvertaken, { what: 'another worker has looked at all that it held' })
    sleeper.kill('SIGCONT')
    expect(await contradictionsUntil(world, () => isTooLate(sleeper)), 'rows that contradict each other').toEqual([])
  },
  async afterwards({ workers }) {
    expect(isTooLate(firstOf(workers)), 'it says that its polls came too late').toBe(true)
  },
}

function isTooLate(worker: NodeProcess): boolean {
  return worker.stderr().includes('poll came too late')
}

/** The first ones. Later polls would put them right: whoever asks at the end of the day finds nothing. */
async function contradictionsUntil(world: World, isOver: () => boolean): Promise<readonly string[]> {
  const found = async (): Promise<readonly string[] | null> => {
    const over = isOver()
    const rows = await withDatabase(world, inconsistencies)
    return rows.length > 0 || over ? rows : null
  }
  // A control takes away what makes it end.
  return until(found, { what: 'its polls come too late' }).catch(() => [])
}

function looksOf(world: World, taskIds: readonly string[]): Promise<number> {
  return withDatabase(world, async (client) => {
    const sql = 'SELECT sum(poll_no)::int AS polls FROM delivery_task WHERE task_id = ANY ($1)'
    return (await client.query<{ polls: number }>(sql, [taskIds])).rows[0]?.polls ?? 0
  })
}

const BLOCKED_MS = 8_000

const EVENT_LOOP_IS_BLOCKED: FaultScenario = {
  fault: 'F11',
  when: `the event loop of a worker is blocked for ${BLOCKED_MS / 1_000} s, longer than its lock`,
  onlyLong: true,
  extraCalls: 50,
  begin: (world) => Promise.all([world.start(atFailPoint('poll.answered', `spin:${BLOCKED_MS}`, 3)), world.start()]),
  async strike(world) {
    const blocked = firstOf(world.workers)
    const probes = await probesOf(blocked)
    await blocked.waitForLine(/poll came too late/, 60_000)
    const [, seconds] = /^nodejs_eventloop_lag_max_seconds ([\d.]+)$/m.exec(await probes.metrics()) ?? []
    expect(Number(seconds), 'nodejs_eventloop_lag_max_seconds').toBeGreaterThan(LOCK_MS / 1_000)
  },
}

/** As in production: in this compressed day a busy machine may keep a worker from renewing its locks in time. */
const LONG_LOCK = atSabotage({ edits: [{ file: 'app/settings.js', from: 'scaled(30_000, 2_000)', to: '30_000' }] })

const TOLD_TO_STOP: FaultScenario = {
  fault: 'F12',
  when: 'a worker is told to stop while polls are under way',
  onlyLong: true,
  env: LONG_LOCK,
  // Another worker has to start meanwhile, which is a large part of this day on a busy machine.
  mayBeBlind: true,
  extraCalls: 0,
  extraShare: 0,
  async strike(world) {
    const worker = firstOf(world.workers)
    const answers = holdAnswers(world.server)
    await answers.count(3)
    const ended = stopped(worker, 'SIGTERM')
    await worker.waitForLine(/stopping/)
    answers.release()
    // All of its grace is 25 s; this is for the polls and the connections.
    expect(await ended).toEqual({ code: 0, signal: null, withinMs: below(10_000) })
    expect(await jobsLeftBehind(world)).toEqual({ active: 0, stalled: 0 })
    await world.start()
  },
}

const GRACE_MS = 3_000
/** The last resort of the process, and what a busy machine adds. */
const AND_A_SECOND_MS = 1_500
const BRIEF_GRACE = { SHUTDOWN_GRACE_SECONDS: String(GRACE_MS / 1_000) }

const TOLD_TO_STOP_IN_VAIN: FaultScenario = {
  fault: 'F12',
  when: 'a worker is told to stop and DingTalk does not answer, and others are told twice',
  onlyLong: true,
  workers: 3,
  env: { ...BRIEF_GRACE, WORKER_CONCURRENCY: '10' },
  // Whatever waits for an answer is given up.
  extraCalls: 100,
  mayBeBlind: true,
  async strike(world) {
    const answers = holdAnswers(world.server)
    // More than two workers can have under way: each of the three has polls.
    await answers.count(21)
    const [patient, terminated, interrupted] = world.workers
    if (patient === undefined || terminated === undefined || interrupted === undefined) throw new Error('three workers were started')
    const [once, ...twice] = await Promise.all([
      stopped(patient, 'SIGTERM'),
      stoppedAtOnce(terminated, 'SIGTERM'),
      stoppedAtOnce(interrupted, 'SIGINT'),
    ])
    expect(once, 'told once').toEqual({ code: 0, signal: null, withinMs: below(GRACE_MS + AND_A_SECOND_MS) })
    expect(twice, 'told twice').toEqual([143, 130].map((code) => ({ code, signal: null, withinMs: below(1_000) })))
    answers.release()
    await world.start()
  },
}

/** It waits for its polls; then it is told again. */
async function stoppedAtOnce(worker: NodeProcess, signal: NodeJS.Signals): Promise<Stopped> {
  worker.kill(signal)
  await worker.waitForLine(/stopping/)
  expect(await endOf(worker), 'it waits for its polls').toBe(null)
  return stopped(worker, signal)
}

function below(limitMs: number): unknown {
  return expect.toSatisfy((ms: number) => ms < limitMs, `below ${limitMs}`)
}

interface Stopped extends Exit {
  readonly withinMs: number
}

async function stopped(worker: NodeProcess, signal: NodeJS.Signals): Promise<Stopped> {
  const since = performance.now()
  worker.kill(signal)
  return { ...(await worker.exit), withinMs: performance.now() - since }
}

/** What only BullMQ's check for stalled jobs would bring back, or has brought back. */
async function jobsLeftBehind({ queueUrl, backend }: World): Promise<{ active: number; stalled: number }> {
  const queue =
    backend === 'redis'
      ? new Queue('dingtalk-delivery', { connection: { url: queueUrl } })
      : new Queue('dingtalk-delivery', { connection: { connectionString: queueUrl, schema: 'bullmq' } }, createPostgresBackend)
  try {
    const jobs = await queue.getJobs(['active', 'delayed', 'prioritized', 'waiting'])
    return { active: await queue.getActiveCount(), stalled: jobs.filter((job) => job.stalledCounter > 0).length }
  } finally {
    await queue.close()
  }
}

interface Outage {
  readonly of: ReadonlyArray<'database' | 'queue'>
  readonly mode: ProxyMode & string
}

const OUTAGES: readonly Outage[] = (['refuse', 'blackhole'] as const).flatMap((mode) =>
  [['database'] as const, ['queue'] as const, ['database', 'queue'] as const].map((of) => ({ of, mode })),
)

const TOLD_TO_STOP_WHILE_SERVERS_ARE_AWAY: FaultScenario = {
  fault: 'F13',
  when: 'workers are told to stop while the database, the queue or both refuse or swallow everything',
  onlyLong: true,
  workers: null,
  // Each had polls under way.
  extraCalls: 100,
  mayBeBlind: true,
  async strike(world) {
    // So that whoever got jobs has polls under way.
    const answers = holdAnswers(world.server)
    await Promise.all(OUTAGES.map((outage) => stopDuring(outage, world)))
    answers.release()
    await world.start()
  },
}

/** Each worker has proxies of its own. */
async function stopDuring({ of, mode }: Outage, world: World): Promise<void> {
  const name = `${of.join(' and ')} ${mode}`
  const urls = { database: new URL(world.proxied.databaseUrl), queue: new URL(world.queueUrl) }
  const proxies = await Promise.all([urls.database, urls.queue].map((url) => startProxy(Number(url.port))))
  const [database, queue] = proxies
  if (database === undefined || queue === undefined) throw new Error('two proxies were started')
  for (const proxy of proxies) world.later(() => proxy.close())
  urls.database.port = String(database.port)
  urls.queue.port = String(queue.port)
  const worker = await world.start({ ...BRIEF_GRACE, DATABASE_URL: urls.database.href, QUEUE_URL: urls.queue.href })
  const target = { database, queue }
  await Promise.all(of.map((each) => target[each].mode(mode)))
  await sleep(500)
  const { code, withinMs } = await stopped(worker, 'SIGTERM')
  expect({ code, withinMs }, name).toEqual({ code: 0, withinMs: below(GRACE_MS + AND_A_SECOND_MS) })
}

export const PROCESS_FAULTS: readonly FaultScenario[] = [
  WORKERS_ARE_KILLED,
  WORKER_WAKES_FROM_THE_DEAD,
  EVENT_LOOP_IS_BLOCKED,
  TOLD_TO_STOP,
  TOLD_TO_STOP_IN_VAIN,
  TOLD_TO_STOP_WHILE_SERVERS_ARE_AWAY,
]
