/**
 * Tracks 10,000 tasks at once with one worker: a simulated day in ten minutes. Needs `npm run build` and redis-server.
 *
 *   node bench/ten-thousand.mjs [--tasks 10000] [--people 10] [--scale 144] [--send-seconds 240] [--rate 1000] [--queue redis|postgres]
 *
 * Prints how late the polls were, and what worker, Redis and PostgreSQL used. Everything runs on this machine, the simulator in this
 * process; the figures are an upper bound for a worker on a machine of its own.
 */
import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { migrateAll } from '../dist/app/operations.js'
import { createTracker } from '../dist/index.js'
import { startSimulator } from '../dist/simulator/simulator.js'
import { startPostgres } from './support/database.mjs'
import { startRedis } from './support/redis.mjs'

const text = /** @type {const} */ ({ type: 'string' })
const { values } = parseArgs({ options: { tasks: text, people: text, scale: text, 'send-seconds': text, rate: text, queue: text } })
const tasks = Number(values.tasks ?? 10_000)
const people = Number(values.people ?? 10)
const timeScale = Number(values.scale ?? 144)
const sendSeconds = Number(values['send-seconds'] ?? 240)
const rate = String(values.rate ?? 1_000)
const queueKind = values.queue === 'postgres' ? 'postgres' : 'redis'
const dayMs = 86_400_000 / timeScale

const closers = []
try {
  await main()
} finally {
  for (const close of closers.reverse()) await close()
}

async function main() {
  const databaseUrl = await startPostgres(closers)
  const redis = queueKind === 'redis' ? await startRedis(closers) : null
  const queueUrl = redis?.url ?? databaseUrl
  await migrateAll({
    databaseUrl,
    queue: { url: queueUrl, backend: queueKind, name: 'dingtalk-delivery', prefix: 'bull', schema: 'bullmq', connections: null },
  })
  const simulator = await startSimulator({ timeScale, seed: 7, callsPerSecond: 1_000_000, monthlyQuota: null })
  closers.push(() => simulator.close())
  const worker = startWorker(databaseUrl, queueUrl, simulator.url)
  closers.push(() => worker.stop())
  await worker.ready

  const database = new pg.Client({ connectionString: databaseUrl })
  await database.connect()
  closers.push(() => database.end())

  const samples = []
  const sampler = setInterval(() => void sample(worker.child.pid, redis, samples), 5_000)
  const started = Date.now()
  await send(databaseUrl, simulator.url)
  console.log(`${tasks} tasks of ${people} people sent in ${seconds(Date.now() - started)} s`)
  await ended(database)
  clearInterval(sampler)
  await sample(worker.child.pid, redis, samples)
  await report(database, samples, Date.now() - started)
}

async function send(databaseUrl, simulatorUrl) {
  const tracker = createTracker({ databaseUrl })
  const started = Date.now()
  const batch = Math.max(1, Math.round(tasks / sendSeconds / 10))
  for (let first = 0; first < tasks; first += batch) {
    const dueAt = started + (first / tasks) * sendSeconds * 1_000
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueAt - Date.now())))
    const numbers = Array.from({ length: Math.min(batch, tasks - first) }, (_, i) => first + i)
    await tracker.trackMany(await Promise.all(numbers.map((n) => sendOne(simulatorUrl, n))))
  }
  await tracker.close()
}

/** One person of each task never reads, so that every task stays open for the whole day. */
async function sendOne(simulatorUrl, n) {
  const userIds = Array.from({ length: people }, (_, i) => `0${n}-${i}${i === 0 ? '-never' : ''}`)
  const answer = await fetch(`${simulatorUrl}/_simulator/tasks`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      agentId: '836390886',
      recipients: userIds.map((userId, i) => (i === 0 ? { userId, fate: 'never' } : { userId })),
    }),
  })
  const { taskId } = JSON.parse(await answer.text())
  if (taskId === undefined) throw new Error(`the simulator took no task: ${answer.status}`)
  return { taskId: String(taskId), userIds, campaign: `bench-${n % 200}`, sentAt: new Date() }
}

async function ended(database) {
  for (;;) {
    const { rows } = await database.query("SELECT count(*)::int AS open FROM delivery_task WHERE status = 'tracking'")
    if (rows[0].open === 0) return
    await new Promise((resolve) => setTimeout(resolve, 2_000))
  }
}

async function report(database, samples, elapsedMs) {
  const { rows: lags } = await database.query(`
    SELECT count(*)::int AS polls, count(*) FILTER (WHERE outcome <> 'observed')::int AS failed,
      round((extract(epoch FROM max(requested_at - due_at)) * 1000)::numeric) AS max_ms,
      round((percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM requested_at - due_at)) * 1000)::numeric) AS p50_ms,
      round((percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM requested_at - due_at)) * 1000)::numeric) AS p99_ms,
      count(*) FILTER (WHERE requested_at - due_at > interval '2 seconds')::int AS over_2_s
    FROM delivery_poll WHERE due_at IS NOT NULL`)
  const { rows: ends } = await database.query(
    `SELECT status, count(*)::int AS tasks, min(good_polls) AS least_looks,
       round((extract(epoch FROM max(deadline_at - last_observed_at)) * 100000 / $1)::numeric, 2) AS blind_percent_of_window
     FROM delivery_task GROUP BY status`,
    [dayMs],
  )
  const { rows: peak } = await database.query(
    'SELECT max(n)::int AS looks_per_second FROM (SELECT count(*) AS n FROM delivery_poll GROUP BY date_trunc($1, requested_at)) AS each',
    ['second'],
  )
  console.log(JSON.stringify({ elapsedSeconds: seconds(elapsedMs), ...lags[0], ...peak[0], ends }, null, 2))
  const last = samples.at(-1)
  console.log(
    JSON.stringify({
      workerPeakMemoryMiB: Math.max(...samples.map((each) => each.workerMiB)),
      workerCpuSeconds: last.workerCpuSeconds,
      redisPeakMemoryMiB: Math.max(...samples.map((each) => each.redisMiB ?? 0)) || null,
    }),
  )
}

async function sample(pid, redis, samples) {
  const [status, stat] = await Promise.all([readFile(`/proc/${pid}/status`, 'utf8'), readFile(`/proc/${pid}/stat`, 'utf8')])
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const info = redis === null ? null : await redis.client.info('memory')
  samples.push({
    workerMiB: Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)[1]) / 1024),
    // utime and stime, in ticks of 10 ms
    workerCpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100,
    redisMiB: info === null ? null : Math.round(Number(/used_memory:(\d+)/.exec(info)[1]) / 2 ** 20),
  })
}

function startWorker(databaseUrl, queueUrl, simulatorUrl) {
  const env = {
    PATH: process.env.PATH,
    DATABASE_URL: databaseUrl,
    QUEUE_URL: queueUrl,
    DINGTALK_OAPI_URL: simulatorUrl,
    DINGTALK_API_URL: simulatorUrl,
    DINGTALK_APP_KEY: 'sim-app-key',
    DINGTALK_APP_SECRET: 'sim-app-secret',
    DINGTALK_AGENT_ID: '836390886',
    TIME_SCALE: String(timeScale),
    MAX_CALLS_PER_SECOND: rate,
    HEALTH_PORT: '0',
    LOG_LEVEL: 'info',
    LOG_PRETTY: '0',
  }
  const child = spawn(process.execPath, [new URL('../dist/cli/main.js', import.meta.url).pathname, 'worker'], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const exited = new Promise((resolve) => child.on('exit', resolve))
  /** @type {Promise<void>} */
  const ready = new Promise((resolve, reject) => {
    let log = ''
    child.stderr.on('data', (part) => {
      log += part
      if (log.includes('worker ready')) resolve()
      log = log.slice(-10_000)
    })
    void exited.then((code) => reject(new Error(`the worker ended (${code}):\n${log}`)))
  })
  return { child, ready, stop: () => (child.kill('SIGTERM'), exited) }
}

function seconds(ms) {
  return Math.round(ms / 100) / 10
}
