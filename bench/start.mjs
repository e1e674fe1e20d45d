/**
 * How soon the commands and the library are there, and what a worker costs that has nothing to do. Needs `npm run build` and redis-server.
 *
 *   node bench/start.mjs [--parts start,idle] [--rounds 5] [--seconds 60] [--json FILE]
 *
 * Medians: `--version` beside `node -e 0`, one after the other in each round; `import` of the package, in a process of its own; a worker's start on a
 * database that is up, until it says that it is ready, and its CPU until then. Then one worker rests, on a new database and a Redis of its own: the statements that
 * PostgreSQL logs and the commands that Redis counts (those inside scripts too), for a minute each, and the memory at the end.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { migrateAll } from '../dist/app/operations.js'
import { readOptions, runBench } from './support/bench.mjs'
import { connect, startPostgres } from './support/database.mjs'
import { median, round } from './support/figures.mjs'
import { QUEUE } from './support/fleet.mjs'
import { CLI, startWorker } from './support/process.mjs'
import { startRedis } from './support/redis.mjs'
import { cpuOf } from './support/usage.mjs'

const options = readOptions({ parts: 'start,idle', rounds: 5, seconds: 60 })
const { rounds, seconds } = options
/** What a start leaves behind is collected, and connections that only it needs are closed. */
const SETTLE_SECONDS = 15

const INDEX = new URL('../dist/index.js', import.meta.url).href

await runBench(options, async (closers) => {
  console.log(`load ${loadavg()[0].toFixed(1)}`)
  const parts = options.parts.split(',')
  const world = await openWorld(closers)
  return {
    ...(parts.includes('start') && { start: { ...measureCommands(), ...(await measureStarts(world)) } }),
    ...(parts.includes('idle') && { idle: await measureIdle(world) }),
  }
})

async function measureStarts(world) {
  const starts = []
  while (starts.length < rounds) starts.push(await startOnce(world))
  const middle = (pick) => Math.round(median(starts.map(pick)))
  return { workerReadyMs: middle(({ readyMs }) => readyMs), workerCpuMs: middle(({ cpuMs }) => cpuMs) }
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
    version.push(timed(CLI, '--version'))
    imported.push(Number(spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' }).stdout))
  }
  return { versionOverNode: round(median(version) / median(bare), 3), importMs: round(median(imported), 3) }
}

/** Both servers, and what counts the worker's statements while `counter.counts` is set. */
async function openWorld(closers) {
  const counter = { counts: false, statements: 0 }
  const databaseUrl = await startPostgres(closers, {}, (line) => {
    if (counter.counts && /^LOG: {2}(execute|statement)/.test(line)) counter.statements++
  })
  const redis = await startRedis(closers)
  await migrateAll({ databaseUrl, queue: { ...QUEUE, url: redis.url } })
  const client = await connect(closers, databaseUrl)
  await client.query(`ALTER DATABASE ${new URL(databaseUrl).pathname.slice(1)} SET log_statement = 'all'`)
  const env = {
    ...{ DATABASE_URL: databaseUrl, QUEUE_URL: redis.url, DINGTALK_REGION: 'cn', DINGTALK_APP_KEY: 'bench' },
    ...{ DINGTALK_APP_SECRET: 'bench', DINGTALK_AGENT_ID: '836390886' },
  }
  return { redis, counter, start: () => startWorker(closers, env) }
}

async function startOnce(world) {
  const { pid, readyMs, stop } = await world.start()
  // A tick is 10 ms.
  const cpuMs = cpuOf(pid)
  await stop()
  return { readyMs, cpuMs }
}

async function measureIdle(world) {
  const worker = await world.start()
  try {
    await sleep(SETTLE_SECONDS * 1_000)
    const [commands, cpuMs] = [await countCommands(world.redis), cpuOf(worker.pid)]
    world.counter.counts = true
    await sleep(seconds * 1_000)
    world.counter.counts = false
    // The INFO before is counted too.
    const sent = (await countCommands(world.redis)) - commands - 1
    const perMinute = (count) => Math.round((count * 60) / seconds)
    return {
      statementsPerMinute: perMinute(world.counter.statements),
      redisCommandsPerMinute: perMinute(sent),
      rssMiB: Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${worker.pid}/status`, 'utf8'))?.[1]) / 1_024),
      cpuPercent: round((cpuOf(worker.pid) - cpuMs) / 10 / seconds, 2),
    }
  } finally {
    await worker.stop()
  }
}

/** @param {Awaited<ReturnType<typeof startRedis>>} redis */
async function countCommands({ client }) {
  return Number(/total_commands_processed:(\d+)/.exec(await client.info('stats'))?.[1])
}
