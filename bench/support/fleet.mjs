import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { migrateAll } from '../../dist/app/operations.js'
import { connect, ownDatabase } from './database.mjs'
import { startWorker } from './process.mjs'
import { appsOfBench, startServers } from './servers.mjs'
import { cpuOf, cpuOfFamily } from './usage.mjs'

/** Worker processes of one installation. */

/** @typedef {import('./bench.mjs').Closers} Closers */
/** @typedef {Awaited<ReturnType<typeof openFleet>>} Fleet */

/**
 * @param {Closers} closers
 * @param {string} name of the database
 */
export async function openFleet(closers, name) {
  const servers = await startServers(closers)
  const databaseUrl = await ownDatabase(closers, servers.server, name, { anew: true })
  const queue = { ...QUEUE, url: servers.redis.url }
  await migrateAll({ databaseUrl, queue })
  return { ...servers, databaseUrl, queue, database: await connect(closers, databaseUrl) }
}

export const QUEUE = /** @type {const} */ ({
  backend: 'redis',
  name: 'dingtalk-delivery',
  prefix: 'bull',
  schema: 'bullmq',
  connections: null,
})

/**
 * Worker processes that are ready.
 * @param {Closers} closers
 * @param {Fleet} fleet
 * @param {Array<{ name: string, maxCallsPerSecond: number }>} apps
 * @param {number} count
 */
export async function startWorkers(closers, fleet, apps, count) {
  const env = {
    ...{ DATABASE_URL: fleet.databaseUrl, QUEUE_URL: fleet.queue.url, SCHEDULE: 'growing' },
    ...(await appsOfBench(closers, fleet, apps)),
  }
  return await Promise.all(Array.from({ length: count }, () => startWorker(closers, env)))
}

/**
 * Milliseconds of CPU since the start of each.
 * @param {Fleet} fleet
 * @param {ReadonlyArray<{ pid: number }>} workers
 */
export function readCpu({ redis, postgresPid }, workers) {
  return { workers: workers.reduce((sum, { pid }) => sum + cpuOf(pid), 0), redis: cpuOf(redis.pid), postgres: cpuOfFamily(postgresPid) }
}

/**
 * The calls of tasks that were made due, when all are made and stored.
 * @param {Fleet} fleet
 * @param {number} from how many came before
 * @param {number} count
 */
export async function callsOf(fleet, from, count, timeoutMs = 300_000) {
  await until(async () => (await fleet.dingtalk.polls()) - from >= count, 'all polls are made', timeoutMs)
  await until(async () => (await overdue(fleet)) === 0, 'all polls are stored')
  return await fleet.dingtalk.calls(from)
}

/** @param {number} pid @returns MiB that it had at most since its start */
export async function peakMemoryMiB(pid) {
  return Math.round(Number(/VmHWM:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024)
}

/** @param {() => unknown} condition @param {string} what */
export async function until(condition, what, timeoutMs = 300_000) {
  const giveUpAt = performance.now() + timeoutMs
  while (!(await condition())) {
    if (performance.now() > giveUpAt) throw new Error(`${timeoutMs / 1_000} s went by, but not until ${what}`)
    await sleep(50)
  }
}

/** Calls a second between the first and the last twentieth. @param {ReadonlyArray<{ at: number }>} calls in order */
export function throughput(calls) {
  const times = calls.map(({ at }) => at)
  const [from, to] = [Math.floor(times.length * 0.05), Math.floor(times.length * 0.95)]
  return ((to - from) * 1_000) / ((times[to] ?? 0) - (times[from] ?? 0))
}

/** Open tasks whose polls are due. @param {Fleet} fleet */
async function overdue({ database }) {
  const { rows } = await database.query(
    "SELECT count(*)::int AS tasks FROM delivery_task WHERE status = 'tracking' AND next_poll_at < now()",
  )
  return rows[0].tasks
}
