import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { migrateAll } from '../../dist/app/operations.js'
import { ownDirectory, startPostgres } from './database.mjs'
import { startRedis } from './redis.mjs'
import { cpuOf, cpuOfFamily, parentOf } from './usage.mjs'

/** Worker processes with one PostgreSQL, one Redis and a DingTalk that answers at once, all on this machine. */

/** @typedef {import('./database.mjs').Closers} Closers */

const MAIN = new URL('../../dist/cli/main.js', import.meta.url).pathname
const QUEUE = { name: 'dingtalk-delivery', prefix: 'bull', schema: 'bullmq', connections: null }

/**
 * @param {Closers} closers
 * @param {Array<{ name: string, maxCallsPerSecond: number }>} apps
 * @param {number} people in each answer: `user-0`, `user-1` and so on, all of them unread
 */
export async function startServers(closers, apps, people) {
  const databaseUrl = await startPostgres(closers)
  const redis = await startRedis(closers)
  const queue = { ...QUEUE, url: redis.url, backend: /** @type {const} */ ('redis') }
  await migrateAll({ databaseUrl, queue })
  const database = new pg.Client({ connectionString: databaseUrl })
  await database.connect()
  closers.push(() => database.end())
  const dingtalk = await startDingTalk(closers, people)
  const appsFile = join(await ownDirectory(closers), 'apps.json')
  await writeApps({ dingtalk, appsFile }, apps)
  const postmaster = parentOf((await database.query('SELECT pg_backend_pid() AS pid')).rows[0].pid)
  return { databaseUrl, queue, redis, database, dingtalk, appsFile, postmaster }
}

/** @typedef {Awaited<ReturnType<typeof startServers>>} Servers */

/**
 * For workers that start from now on.
 * @param {Pick<Servers, 'dingtalk' | 'appsFile'>} servers
 * @param {Array<{ name: string, maxCallsPerSecond: number }>} apps
 */
export async function writeApps({ dingtalk, appsFile }, apps) {
  const common = { oapiUrl: dingtalk.url, apiUrl: dingtalk.url, agentId: '836390886', accessToken: 'of-the-bench' }
  await writeFile(appsFile, JSON.stringify({ apps: apps.map((app) => ({ ...app, ...common })) }))
}

/**
 * Answers each call with all people as unread, and notes when it came and for which task.
 * @param {Closers} closers
 * @param {number} people
 */
async function startDingTalk(closers, people) {
  const userIds = Array.from({ length: people }, (_, i) => `user-${i}`)
  const lists = { invalid_user_id_list: [], failed_user_id_list: [], read_user_id_list: [], unread_user_id_list: userIds }
  const answer = JSON.stringify({ errcode: 0, errmsg: 'ok', send_result: { ...lists, invalid_dept_id_list: [], forbidden_list: [] } })
  /** @type {Array<{ at: number, taskId: number }>} */
  const calls = []
  const server = createHttpServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (part) => {
      body += part
    })
    request.on('end', () => {
      calls.push({ at: performance.now(), taskId: Number(/task_id=(\d+)/.exec(body)?.[1]) })
      response.writeHead(200, { 'content-type': 'application/json' }).end(answer)
    })
  })
  server.keepAliveTimeout = 60_000
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  return { url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`, calls }
}

/**
 * Worker processes that are ready.
 * @param {Closers} closers
 * @param {Servers} servers
 * @param {number} count
 * @param {Record<string, string>} more variables
 */
export async function startWorkers(closers, { databaseUrl, queue, appsFile }, count, more = {}) {
  const env = {
    ...{ PATH: process.env.PATH, DATABASE_URL: databaseUrl, QUEUE_URL: queue.url, DINGTALK_APPS_FILE: appsFile },
    ...{ SCHEDULE: 'growing', HEALTH_PORT: '0', LOG_PRETTY: '0', LOG_LEVEL: 'info', ...more },
  }
  const workers = Array.from({ length: count }, () => {
    const child = spawn(process.execPath, [MAIN, 'worker'], { env, stdio: ['ignore', 'ignore', 'pipe'] })
    const exited = new Promise((resolve) => child.on('exit', resolve))
    const stop = () => (child.kill('SIGTERM'), exited)
    closers.push(stop)
    /** @type {Promise<void>} */
    const ready = new Promise((resolve, reject) => {
      let log = ''
      child.stderr.setEncoding('utf8').on('data', (part) => {
        log = (log + part).slice(-10_000)
        if (log.includes('worker ready')) resolve()
      })
      void exited.then((code) => reject(new Error(`a worker ended (${code}):\n${log}`)))
    })
    return { pid: Number(child.pid), ready, stop }
  })
  await Promise.all(workers.map(({ ready }) => ready))
  return workers
}

/**
 * Milliseconds of CPU since the start of each.
 * @param {Servers} servers
 * @param {ReadonlyArray<{ pid: number }>} workers
 */
export function readCpu({ redis, postmaster }, workers) {
  return { workers: workers.reduce((sum, { pid }) => sum + cpuOf(pid), 0), redis: cpuOf(redis.pid), postgres: cpuOfFamily(postmaster) }
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

/** @param {readonly number[]} values @param {number} share from 0 to 1 */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

/** Calls a second between the first and the last twentieth. @param {number[]} times in milliseconds, in order */
export function throughput(times) {
  const [from, to] = [Math.floor(times.length * 0.05), Math.floor(times.length * 0.95)]
  return ((to - from) * 1_000) / ((times[to] ?? 0) - (times[from] ?? 0))
}

/** Open tasks whose polls are due. @param {Servers} servers */
export async function overdue({ database }) {
  const { rows } = await database.query(
    "SELECT count(*)::int AS tasks FROM delivery_task WHERE status = 'tracking' AND next_poll_at < now()",
  )
  return rows[0].tasks
}
