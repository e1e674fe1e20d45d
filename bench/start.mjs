/**
 * How soon the commands and the library are there, and what a worker costs that has nothing to do. Needs `npm run build` and redis-server.
 *
 *   node bench/start.mjs [--rounds 5] [--seconds 60] [--json FILE]
 *
 * Medians: `--version` beside `node -e 0`, one after the other in each round; `import` of the package, in a process of its own; a worker's start on a
 * database that is up, until it says that it is ready, and its CPU until then. Then one worker rests, on a new database and a Redis of its own: the statements that
 * PostgreSQL logs and the commands that Redis counts (those inside scripts too), for a minute each, and the memory at the end.
 */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { migrateAll } from '../dist/app/operations.js'
import { startEmbeddedPostgres } from '../dist/embedded/postgres.js'
import { ownDirectory } from './support/database.mjs'
import { startRedis } from './support/redis.mjs'
import { cpuOf } from './support/usage.mjs'

const { values } = parseArgs({ options: { rounds: { type: 'string' }, seconds: { type: 'string' }, json: { type: 'string' } } })
const rounds = Number(values.rounds ?? 5)
const seconds = Number(values.seconds ?? 60)
/** What a start leaves behind is collected, and connections that only it needs are closed. */
const SETTLE_SECONDS = 15

const MAIN = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url))
const INDEX = new URL('../dist/index.js', import.meta.url).href

const closers = []
try {
  await main()
} finally {
  for (const close of closers.reverse()) await close()
}

async function main() {
  const load = loadavg()[0]
  const start = measureCommands()
  const world = await openWorld()
  const starts = []
  for (let i = 0; i < rounds; i++) starts.push(await startOnce(world))
  const idle = await measureIdle(world)
  const [workerReadyMs, workerCpuMs] = [median(starts.map(({ readyMs }) => readyMs)), median(starts.map(({ cpuMs }) => cpuMs))]
  const figures = { start: { ...start, workerReadyMs, workerCpuMs }, idle }
  console.log(JSON.stringify({ ...figures, load: { before: load, after: loadavg()[0] } }, null, 2))
  if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(figures))
}

function measureCommands() {
  const [bare, version, imported] = [[], [], []]
  const timed = (...args) => {
    const startedMs = performance.now()
    const { status } = spawnSync(process.execPath, args, { stdio: 'ignore' })
    if (status !== 0) throw new Error(`node ${args.join(' ')} ended with ${status}`)
    return performance.now() - startedMs
  }
  const script = `const at = performance.now(); await import(${JSON.stringify(INDEX)}); console.log(performance.now() - at)`
  for (let i = 0; i < rounds; i++) {
    bare.push(timed('-e', '0'))
    version.push(timed(MAIN, '--version'))
    imported.push(Number(spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' }).stdout))
  }
  return { versionOverNode: round(median(version) / median(bare)), importMs: round(median(imported)) }
}

/** Both servers, and what counts the worker's statements while `counter.counts` is set. */
async function openWorld() {
  const counter = { counts: false, statements: 0 }
  const directory = join(await ownDirectory(closers), 'postgres')
  const onLog = (line) => {
    if (counter.counts && /^LOG: {2}(execute|statement)/.test(line)) counter.statements++
  }
  const postgres = await startEmbeddedPostgres({ directory, onLog })
  closers.push(() => postgres.close())
  const redis = await startRedis(closers)
  const queue = /** @type {const} */ ({
    url: redis.url,
    backend: 'redis',
    name: 'dingtalk-delivery',
    prefix: 'bull',
    schema: 'bullmq',
    connections: null,
  })
  await migrateAll({ databaseUrl: postgres.url, queue })
  const client = new pg.Client({ connectionString: postgres.url })
  await client.connect()
  await client.query(`ALTER DATABASE ${new URL(postgres.url).pathname.slice(1)} SET log_statement = 'all'`)
  await client.end()
  return { databaseUrl: postgres.url, redis, counter }
}

async function startWorker({ databaseUrl, redis }) {
  const env = {
    ...{ PATH: process.env.PATH, DATABASE_URL: databaseUrl, QUEUE_URL: redis.url, HEALTH_PORT: '0', LOG_PRETTY: '0' },
    ...{ DINGTALK_REGION: 'cn', DINGTALK_APP_KEY: 'bench', DINGTALK_APP_SECRET: 'bench', DINGTALK_AGENT_ID: '836390886' },
  }
  const startedMs = performance.now()
  const child = spawn(process.execPath, [MAIN, 'worker'], { env, stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  const readyMs = await new Promise((resolve, reject) => {
    child.stderr.setEncoding('utf8').on('data', (part) => {
      log += part
      if (log.includes('worker ready')) resolve(performance.now() - startedMs)
    })
    child.once('exit', (code) => reject(new Error(`the worker ended (${code}):\n${log}`)))
  })
  const stop = async () => {
    const exit = once(child, 'exit')
    child.kill('SIGTERM')
    await exit
  }
  return { child, readyMs, stop }
}

async function startOnce(world) {
  const worker = await startWorker(world)
  // A tick is 10 ms.
  const cpuMs = cpuOf(worker.child.pid)
  await worker.stop()
  return { readyMs: Math.round(worker.readyMs), cpuMs }
}

async function measureIdle(world) {
  const worker = await startWorker(world)
  try {
    await sleep(SETTLE_SECONDS * 1_000)
    const [commands, cpuMs] = [await countCommands(world.redis), cpuOf(worker.child.pid)]
    world.counter.counts = true
    await sleep(seconds * 1_000)
    world.counter.counts = false
    // The INFO before is counted too.
    const sent = (await countCommands(world.redis)) - commands - 1
    const perMinute = (count) => Math.round((count * 60) / seconds)
    return {
      statementsPerMinute: perMinute(world.counter.statements),
      redisCommandsPerMinute: perMinute(sent),
      rssMiB: Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${worker.child.pid}/status`, 'utf8'))?.[1]) / 1_024),
      cpuPercent: round((cpuOf(worker.child.pid) - cpuMs) / 10 / seconds),
    }
  } finally {
    await worker.stop()
  }
}

/** @param {Awaited<ReturnType<typeof startRedis>>} redis */
async function countCommands({ client }) {
  return Number(/total_commands_processed:(\d+)/.exec(await client.info('stats'))?.[1])
}

function median(numbers) {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]
}

function round(value) {
  return Math.round(value * 100) / 100
}
