/**
 * Measures what a poll costs: CPU of the worker, of Redis and of PostgreSQL, bytes of WAL, transactions, and bytes that stay. Needs `npm run build`,
 * redis-server, and Linux, whose /proc has the CPU of each process.
 *
 *   node bench/hot.mjs [--parts redis,apps,growth,postgres] [--rounds 5] [--tasks 1000] [--people 100] [--day-tasks 100] [--apps 2000]
 *                      [--open 100000] [--history 50000] [--json FILE]
 *
 * Without DATABASE_URL it starts its own PostgreSQL. With it, it uses databases hot_… on that server, as its superuser, which it drops, and a copy of
 * dingtalk_delivery_reading, the two years of history of reading.mjs: it takes those that are there, or seeds them, and drops them at the end.
 *
 * Regimes: A, nothing new in the answer; B, a day: 24 polls from the first, which finds all people unread, to the last, at which 85 % have read, along a
 * log-normal curve; C, that first poll alone. The subject is the worker of dist/ as it is shipped, with its default plan and concurrency. Beside it, in turn,
 * in each round: `ceiling`, BullMQ's timer and the same HTTP call, with nothing stored; `naive`, a Prisma upsert for each recipient and poll; `cron`, one
 * open task after another.
 *
 * All work comes in waves: many timers fire at once, and a wave ends when all polls are made and all timers are set again. Before a wave the bench moves
 * the due times of its tasks, and cleans up after that; neither is measured. CPU is user and system time, of PostgreSQL with all its children, divided by
 * the polls that arrived at the HTTP server. A round in which other processes used more than a quarter of the machine is discarded, and others are
 * made, as many again at most; where too few are left, those with the least other work are used, and the figures say so.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { buildTiming } from '../dist/domain/poll-times.js'
import { openQueue } from '../dist/queue/connection.js'
import { createPollTimers } from '../dist/queue/timers.js'
import { addOpenTasks, openTaskIds } from './hot/fill.mjs'
import { measure, runWave } from './hot/wave.mjs'
import { startReference, startSubject } from './hot/world.mjs'
import { HISTORY, openHistory } from './reading/history.mjs'
import { readOptions, runBench } from './support/bench.mjs'
import { numberOf, sizeOfTables, WITHOUT_CHECKPOINTS } from './support/database.mjs'
import { median, round } from './support/figures.mjs'
import { startServers } from './support/servers.mjs'

const options = readOptions({
  parts: 'redis,apps,growth,postgres',
  ...{ rounds: 5, tasks: 1_000, people: 100, 'day-tasks': 100, apps: 2_000, open: 100_000, history: 50_000 },
})
const { rounds, people } = options
/** Where two subjects are compared with each other, and where a poll takes long. */
const fewTasks = Math.min(options.tasks, 300)

const OTHERS_LIMIT = 0.25
const FEWEST_ROUNDS = 3
const DAY_POLLS = 24
const NAIVE_TASKS = 8
const CRON_TASKS = 15
/** Times as many polls as the worker gets: a ceiling wave of so many takes a second, and a tick of /proc is 10 ms. */
const CEILING_TIMES = 4
/** Of A, in a round and before the first one, after which V8 has compiled what is used. */
const WAVES = 3
const WARMING_WAVES = Math.max(2, rounds)
const WARMING_POLLS = 4

const TIMING = buildTiming(DAY_POLLS)
const OFFSETS_MS = [...TIMING.offsetsMs, TIMING.windowMs - TIMING.finalMarginMs]
/** A session reports its transactions a second after the ones before, and when it is idle after ten. */
const REPORTED_MS = 11_000

/** Of all kinds of waves, in the order of the rounds. */
const figures = { discardedRounds: {}, disturbedRounds: {}, partSeconds: {} }
/** @type {import('./support/bench.mjs').Closers} */
let closers
/** What measures no CPU, and is over before a wave begins. @type {Promise<unknown>} */
let besides = Promise.resolve()

await runBench(options, async (given) => {
  closers = given
  const world = await startServers(closers, WITHOUT_CHECKPOINTS)
  const parts = { redis: measureRedis, apps: measureApps, growth: measureGrowth, postgres: measurePostgres }
  for (const part of options.parts.split(',')) {
    const begun = performance.now()
    await parts[part](world)
    figures.partSeconds[part] = Math.round((performance.now() - begun) / 1_000)
  }
  await besides
  return figures
})

/** A, B, C and all references, on Redis. */
async function measureRedis(world) {
  const subject = await startSubject(closers, world, { name: 'redis' })
  const day = await startSubject(closers, world, { name: 'day' })
  const { concurrency } = subject
  const tasks = options.tasks
  const ceiling = await startReference(closers, world, { kind: 'ceiling', concurrency, tasks: tasks * CEILING_TIMES, people })
  const naive = await startReference(closers, world, { kind: 'naive', concurrency, tasks: NAIVE_TASKS, people })
  const cron = await startReference(closers, world, { kind: 'cron', concurrency, tasks: CRON_TASKS, people })
  await world.dingtalk.setReadShare(0.5)
  await trackAndWarm(subject, tasks)
  await warm(ceiling)
  await runWave(naive)
  await cron.ask('poll')
  await measureDay(day, WARMING_POLLS)
  const before = await sizeOfTables(day.store.client)
  let days = 0
  const medians = await inRounds('redis', async () => {
    await world.dingtalk.setReadShare(0.5)
    const shared = {
      ceiling: await runWave(ceiling),
      A: await runWaves(subject),
      cron: await measure(cron, () => cron.ask('poll')),
    }
    const naiveWave = await runWave(naive)
    days++
    return { ...shared, naive: naiveWave, ...(await measureDay(day)) }
  })
  figures.concurrency = concurrency
  report('redis', medians)
  setRatio('cpuRatio', 'A', 'redis', medians.ceiling.cpuMsPerPoll / medians.A.cpuMsPerPoll)
  setRatio('cpuRatio', 'B', 'redis', medians.ceiling.cpuMsPerPoll / medians.B.cpuMsPerPoll)
  setRatio('cpuRatio', 'C', 'redis', medians.ceiling.cpuMsPerPoll / medians.C.cpuMsPerPoll)
  figures.overNaive = { B: round(medians.naive.cpuMsPerPoll / medians.B.cpuMsPerPoll) }
  figures.overCron = { A: round(medians.cron.cpuMsPerPoll / medians.A.cpuMsPerPoll) }
  figures.walPerPoll = { B: Math.round(medians.B.walBytesPerPoll), C: Math.round(medians.C.walBytesPerPoll) }
  figures.bytesPerRecipientDay = Math.round(((await sizeOfTables(day.store.client)) - before) / (days * options['day-tasks'] * people))
}

/** New tasks through all their polls. */
async function measureDay(subject, polls = DAY_POLLS) {
  const { dingtalk } = subject.world
  return await awake(subject, async () => {
    await dingtalk.setReadShare(0)
    await subject.track(options['day-tasks'], people)
    const waves = []
    for (let poll = 0; poll < polls; poll++) {
      await dingtalk.setReadShare(poll === 0 ? 0 : readShareAt(OFFSETS_MS[poll]))
      waves.push(await runWave(subject))
    }
    await subject.end()
    return { B: meanOf(waves), C: waves[0] }
  })
}

/** Log-normal with a median of 100 minutes; 0.85 at the end of the day. */
function readShareAt(ms) {
  const share = (at) => 1 / (1 + Math.exp(-1.702 * (Math.log(at / 6_000_000) / 1.4)))
  return (0.85 * share(ms)) / share(OFFSETS_MS[DAY_POLLS - 1])
}

/** CPU a poll with few open tasks and no history, with 100,000 open ones, and after two years, in turn. */
async function measureGrowth(world) {
  const few = await startSubject(closers, world, { name: 'few' })
  const many = await startSubject(closers, world, { name: 'many' })
  await openHistory(closers, world.server, { tasks: options.history })
  const old = await startSubject(closers, world, { name: 'old', like: HISTORY })
  const count = (table) => numberOf(old.store.client, `SELECT count(*)::int AS n FROM ${table}`)
  const history = { tasks: await count('delivery_task'), recipients: await count('delivery_recipient') }
  // Its open tasks are due later than this takes.
  await old.store.client.query("UPDATE delivery_task SET next_poll_at = deadline_at WHERE status = 'tracking'")
  await awake(many, () => many.track(1, 5))
  await Promise.all([addOpenTasks(many.store.client, options.open), addTimers(many, openTaskIds(options.open))])
  await world.dingtalk.setReadShare(0.5)
  const subjects = { few, many, old }
  for (const subject of Object.values(subjects)) await trackAndWarm(subject, fewTasks)
  const medians = await inRounds('growth', async () => {
    const waves = {}
    for (const [name, subject] of Object.entries(subjects)) waves[name] = await runWaves(subject)
    return waves
  })
  report('growth', medians)
  figures.growth.history = history
  figures.growth.cpuPerPoll100kOver1k = round(medians.many.cpuMsPerPoll / medians.few.cpuMsPerPoll)
  figures.growth.cpuPerPollTwoYearsOverEmpty = round(medians.old.cpuMsPerPoll / medians.few.cpuMsPerPoll)
}

async function addTimers({ store, tasks }, ids) {
  const queue = openQueue({ url: store.queueUrl, name: store.queueName, prefix: 'bull' }, 'producer', (error) => console.error(error))
  const timers = createPollTimers(queue.it, () => new Date())
  const at = new Date(Date.now() + 36_000_000)
  const deadlineAt = new Date(at.getTime() + 36_000_000)
  for (let first = 0; first < ids.length; first += 1_000) {
    const some = ids.slice(first, first + 1_000)
    await timers.set(some.map((taskId) => ({ key: { app: tasks[0].app, taskId }, deadlineAt, poll: { at, last: false } })))
  }
  await queue.close()
}

/** A with one task for each of many apps, and its transactions. */
async function measureApps(world) {
  const apps = options.apps
  const subject = await startSubject(closers, world, { name: 'apps', apps })
  await world.dingtalk.setReadShare(0.5)
  await awake(subject, () => subject.track(apps, 10))
  await runWaves(subject, 2)
  // As many polls as in several waves of the other parts.
  const medians = await inRounds('apps2000', async () => ({ A: await runWaves(subject, 1) }))
  report('apps2000', medians)
  besides = awake(subject, () => transactionsPerPoll(subject)).then((apps2000) =>
    Object.assign(figures, { transactionsPerPoll: { apps2000 } }),
  )
  // Awaited later; until then nothing is to end this process without its closers.
  besides.catch(() => undefined)
}

/** Of two waves, with all that the worker does meanwhile; without the statements of the bench. */
async function transactionsPerPoll(subject) {
  const { client } = subject.world
  let own = 0
  const countPolls = () => (own++, numberOf(subject.store.client, 'SELECT sum(poll_no)::int AS n FROM delivery_task'))
  const committed = async () => {
    await sleep(REPORTED_MS)
    return await numberOf(client, "SELECT sum(xact_commit)::int AS n FROM pg_stat_database WHERE datname = 'hot_apps'")
  }
  const counted = { ...subject, makeDue: (at) => (own++, subject.setDue(at)) }
  const pollsBefore = await countPolls()
  const before = await committed()
  own = 0
  for (let wave = 0; wave < 2; wave++) await runWave(counted)
  const polls = (await countPolls()) - pollsBefore
  return round(((await committed()) - before - own) / polls)
}

/** A with the queue in PostgreSQL. */
async function measurePostgres(world) {
  const backend = 'postgres'
  const alone = { ...world, redis: null }
  const subject = await startSubject(closers, alone, { name: 'queue', backend })
  const tasks = fewTasks
  const ceiling = await startReference(closers, alone, { kind: 'ceiling', backend, concurrency: subject.concurrency, tasks, people })
  await world.dingtalk.setReadShare(0.5)
  await trackAndWarm(subject, tasks)
  await warm(ceiling)
  const medians = await inRounds('postgres', async () => ({
    ceiling: await runWave(ceiling),
    A: await runWaves(subject),
  }))
  report('postgres', medians)
  setRatio('cpuRatio', 'A', 'postgres', medians.ceiling.cpuMsPerPoll / medians.A.cpuMsPerPoll)
}

async function trackAndWarm(subject, tasks) {
  await besides
  await awake(subject, () => subject.track(tasks, people))
  await warm(subject)
}

/** The first wave finds everything new. */
async function warm(subject) {
  await runWaves(subject, WARMING_WAVES)
}

async function runWaves(subject, count = WAVES) {
  return await awake(subject, async () => {
    const waves = []
    while (waves.length < count) waves.push(await runWave(subject))
    return meanOf(waves)
  })
}

/** A reference never sleeps. */
function awake(subject, work) {
  return 'awake' in subject ? subject.awake(work) : work()
}

/**
 * Medians of rounds without much other work.
 * @param {string} part
 * @param {() => Promise<Record<string, Awaited<ReturnType<typeof runWave>>>>} makeRound
 */
async function inRounds(part, makeRound, wanted = rounds) {
  const made = []
  const isGood = (waves) => Object.values(waves).every(({ othersShare }) => othersShare <= OTHERS_LIMIT)
  while (made.length < 2 * wanted && made.filter(isGood).length < wanted) {
    made.push(await makeRound())
    console.log(`${part}, round ${made.length}: ${describe(made.at(-1))}`)
    // On a machine that is busy all the time more rounds would be no better.
    if (made.length === wanted && made.filter(isGood).length === 0) break
  }
  const good = made.filter(isGood)
  const load = (waves) => Math.max(...Object.values(waves).map(({ othersShare }) => othersShare))
  const used = good.length >= Math.min(FEWEST_ROUNDS, wanted) ? good : made.toSorted((a, b) => load(a) - load(b)).slice(0, wanted)
  figures.discardedRounds[part] = made.length - used.length
  figures.disturbedRounds[part] = used.filter((waves) => !isGood(waves)).length
  return Object.fromEntries(
    Object.keys(used[0]).map((kind) => [
      kind,
      combine(
        used.map((waves) => waves[kind]),
        median,
      ),
    ]),
  )
}

function describe(waves) {
  return Object.entries(waves)
    .map(([kind, { cpuMsPerPoll, othersShare }]) => `${kind} ${cpuMsPerPoll.toFixed(3)} ms (others ${Math.round(100 * othersShare)} %)`)
    .join(', ')
}

/** One figure for each name. */
function combine(waves, how) {
  return Object.fromEntries(Object.keys(waves[0]).map((name) => [name, how(waves.map((wave) => wave[name]))]))
}

/** Of waves with the same number of polls. */
function meanOf(waves) {
  return combine(waves, (all) => all.reduce((sum, value) => sum + value, 0) / all.length)
}

function report(part, medians) {
  figures[part] = {
    ...figures[part],
    ...Object.fromEntries(Object.entries(medians).map(([kind, wave]) => [kind, combine([wave], ([it]) => round(it))])),
  }
}

function setRatio(name, regime, queue, value) {
  figures[name] = { ...figures[name], [regime]: { ...figures[name]?.[regime], [queue]: round(value) } }
}
