/**
 * Measures how fast tasks are taken: `track` with one call and with ten at once, `trackMany` of many tasks, both through the database and through the
 * queue, and the SQL function. Needs `npm run build` and redis-server.
 *
 *   node bench/enqueue.mjs [--tasks 10000] [--people 100] [--calls 1000] [--rounds 5] [--json FILE]
 *
 * Without DATABASE_URL and REDIS_URL it starts servers of its own, durable as in production. With DATABASE_URL it uses the database
 * dingtalk_delivery_enqueue on that server; with REDIS_URL the queue bench-enqueue, which it removes. Every figure is the median of the rounds. The
 * floor is an INSERT of one row in a transaction of its own over a warm connection: what this machine and its disk need at least. CPU time is of the
 * server and of this process together; on a machine with other work it says more than the time that passed. Fails when a task is not stored.
 */
import { loadavg } from 'node:os'
import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
import { createTracker } from '../dist/index.js'
import { migrate } from '../dist/store/migrate.js'
import { readOptions, runBench } from './support/bench.mjs'
import { connect, ownDatabase, postmasterOf, startPostgres } from './support/database.mjs'
import { median, round } from './support/figures.mjs'
import { startRedis } from './support/redis.mjs'
import { cpuOfFamily } from './support/usage.mjs'

const DATABASE = 'dingtalk_delivery_enqueue'
const QUEUE = 'bench-enqueue'
const options = readOptions({ tasks: 10_000, people: 100, calls: 1_000, rounds: 5 })
const { tasks, people, calls, rounds } = options
const AT_ONCE = 10

/** The second call of clock_timestamp() waits for the count, and the count for each call. */
const FUNCTION_CALLS = `WITH started AS MATERIALIZED (SELECT clock_timestamp() AS at), called AS MATERIALIZED (
  SELECT count(track_delivery(task_id => task::text, agent_id => '836390886', user_ids => $3, campaign => 'sql', app => 'bench', sent_at => started.at)) AS calls
  FROM started, generate_series($1::bigint, $1::bigint + $2::integer - 1) AS task
)
SELECT (extract(epoch FROM clock_timestamp() - started.at) * 1000 / called.calls)::float8 AS ms FROM started, called`

let taskId = 256_271_000_000

await runBench(options, async (closers) => {
  const server = process.env.DATABASE_URL ?? (await startPostgres(closers))
  const databaseUrl = await ownDatabase(closers, server, DATABASE, { anew: true })
  await migrate(databaseUrl)
  const session = await connect(closers, databaseUrl)
  const cpu = await cpuOfPostgres(session)
  const queueUrl = process.env.REDIS_URL ?? (await startRedis(closers)).url
  closers.push(() => removeQueue(queueUrl))
  const ways = { database: { databaseUrl }, queue: { queueUrl, queueName: QUEUE } }

  const samples = []
  while (samples.length < rounds) {
    const figures = { floor: await measureFloor(session), track: {}, many: {}, sql: await measureFunction(session, cpu) }
    for (const [name, way] of Object.entries(ways)) {
      figures.track[name] = await measureTrack(way)
      figures.many[name] = await measureMany(way, cpu)
    }
    samples.push(figures)
    console.log(`round ${samples.length} of ${rounds}, load ${loadavg()[0].toFixed(1)}: ${JSON.stringify(figures)}`)
  }
  await expectAll(session)
  return { enqueue: summarise(samples) }
})

function summarise(samples) {
  const middle = (pick) => round(median(samples.map(pick)), 3)
  const latency = (pick) => ({ p50Ms: middle((each) => pick(each).p50), p99Ms: middle((each) => pick(each).p99) })
  const track = (way) => ({ ...latency((each) => each.track[way].single), tenAtOnce: latency((each) => each.track[way].tenAtOnce) })
  return {
    people,
    track: { database: track('database'), queue: track('queue'), floor: latency((each) => each.floor) },
    [`trackMany${tasks}x${people}`]: {
      databaseSeconds: middle((each) => each.many.database.seconds),
      databaseCpuSeconds: middle((each) => each.many.database.cpuSeconds),
      queueSeconds: middle((each) => each.many.queue.seconds),
    },
    sqlFunctionMs: middle((each) => each.sql.ms),
    sqlFunctionCpuMs: middle((each) => each.sql.cpuMs),
  }
}

// What is measured --------------------------------------------------------------------------------------------------------------

function nextRequest() {
  taskId++
  return {
    app: 'bench',
    taskId: String(taskId),
    agentId: '836390886',
    campaign: `campaign-${Math.floor(taskId / 50)}`,
    sentAt: new Date(),
    userIds: userIdsOf(taskId),
  }
}

function userIdsOf(task) {
  return Array.from({ length: people }, (_, person) => `0366${String(task % 50).padStart(3, '0')}${String(person).padStart(4, '0')}`)
}

/** One call after the other, and ten at once, after calls that open the connections. */
async function measureTrack(way) {
  const tracker = createTracker(way)
  try {
    const call = () => tracker.track(nextRequest())
    await timed(AT_ONCE * 10, AT_ONCE, call)
    return { single: await timed(calls, 1, call), tenAtOnce: await timed(calls, AT_ONCE, call) }
  } finally {
    await tracker.close()
  }
}

/** The CPU time is read while the connections are there: a process that ends meanwhile may be missed. */
async function measureMany(way, cpu) {
  const tracker = createTracker(way)
  try {
    const requests = Array.from({ length: tasks }, nextRequest)
    const [startedAt, before] = [performance.now(), cpu()]
    await tracker.trackMany(requests)
    return { seconds: (performance.now() - startedAt) / 1_000, cpuSeconds: cpu() - before }
  } finally {
    await tracker.close()
  }
}

async function measureFloor(session) {
  await session.query('CREATE TABLE IF NOT EXISTS bench_floor (id bigint PRIMARY KEY)')
  let id = Date.now()
  return await timed(calls, 1, () => session.query('INSERT INTO bench_floor VALUES ($1)', [id++]))
}

/** @returns milliseconds of a call inside a transaction, by the server's clock, and its CPU time */
async function measureFunction(session, cpu) {
  const before = cpu()
  const { rows } = await session.query(FUNCTION_CALLS, [taskId + 1, calls, userIdsOf(taskId)])
  taskId += calls
  return { ms: rows[0].ms, cpuMs: ((cpu() - before) * 1_000) / calls }
}

/**
 * @param {number} count
 * @param {number} atOnce
 * @param {() => Promise<unknown>} call
 * @returns milliseconds of a call
 */
async function timed(count, atOnce, call) {
  const took = []
  let left = count
  const lane = async () => {
    while (left-- > 0) {
      const startedAt = performance.now()
      await call()
      took.push(performance.now() - startedAt)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
  took.sort((a, b) => a - b)
  return { p50: took[Math.floor(took.length * 0.5)], p99: took[Math.floor(took.length * 0.99)] }
}

/** Each task that was taken through the database or by the function is there, with all of its recipients. */
async function expectAll(session) {
  const { rows } = await session.query(`SELECT count(*)::int AS tasks, sum(pending)::int AS pending,
    (SELECT count(*)::int FROM delivery_recipient) AS recipients FROM delivery_task`)
  const expected = rounds * (AT_ONCE * 10 + calls * 2 + tasks + calls)
  const { tasks: stored, pending, recipients } = rows[0]
  if (stored === expected && pending === expected * people && recipients === pending) return
  console.error(`${stored} of ${expected} tasks were stored, with ${recipients} recipients.`)
  process.exitCode = 1
}

// Servers -----------------------------------------------------------------------------------------------------------------------

/**
 * CPU seconds of PostgreSQL, its living and ended processes, and of this process. NaN where the server is on another machine, or not on Linux.
 * @param {import('pg').Client} session
 */
async function cpuOfPostgres(session) {
  const pid = await postmasterOf(session)
  return () => {
    const { user, system } = process.cpuUsage()
    try {
      return cpuOfFamily(pid) / 1_000 + (user + system) / 1e6
    } catch {
      return Number.NaN
    }
  }
}

async function removeQueue(queueUrl) {
  const connection = new Redis(queueUrl, { maxRetriesPerRequest: null })
  const queue = new Queue(QUEUE, { connection })
  await queue.obliterate({ force: true })
  await queue.close()
  connection.disconnect()
}
