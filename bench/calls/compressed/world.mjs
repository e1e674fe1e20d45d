import { spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { migrateAll } from '../../../dist/app/operations.js'
import { startSimulator } from '../../../dist/simulator/simulator.js'
import { ownDirectory, startPostgres } from '../../support/database.mjs'
import { createLedger } from './ledger.mjs'

/** The last lines of a worker's log, for the message when it ends. */
const LOG_TAIL = 4_000
/** A final poll is due at most once a day and task, and all polls of a compressed day are due within seconds. */
const CALLS_PER_SECOND = 200

/**
 * @typedef {object} Plan What runs, see compressed-month.mjs.
 * @property {number} apps
 * @property {number} budget calls a month of each app
 * @property {number} timeScale
 * @property {string} from local time and real moment of the start, such as 2026-11-01T00:00@2026-11-30T15:44:00.000Z
 * @property {any} law the name of one that the simulator has
 * @property {number} seed
 * @property {string} schedule
 * @property {string} polls of each task; empty: the default
 */

/**
 * PostgreSQL with the queue in it, the simulator with people who sleep at night, and two worker processes as operators run them.
 * @param {Array<() => unknown>} closers
 * @param {Plan} plan
 */
export async function startWorld(closers, plan) {
  const databaseUrl = await startPostgres(closers)
  const queue = { name: 'dingtalk-delivery', prefix: 'bull', schema: 'bullmq', connections: null }
  await migrateAll({ databaseUrl, queue: { url: databaseUrl, backend: 'postgres', ...queue } })
  const database = new pg.Pool({ connectionString: databaseUrl, max: 2 })
  database.on('error', () => undefined)
  closers.push(() => database.end())
  await createLedger(database)
  const apps = Array.from({ length: plan.apps }, (_, i) => ({
    ...{ name: `app-${i}`, appKey: `key-${i}`, appSecret: `secret-of-app-${i}`, agentId: String(836_390_886 + i) },
  }))
  const simulator = await startSimulator({
    ...{ timeScale: plan.timeScale, seed: plan.seed, callsPerSecond: 1_000_000, monthlyQuota: null, clockStart: plan.from },
    ...{
      attention: plan.law,
      apps: apps.map(({ appKey, appSecret, agentId }) => ({ appKey, appSecret, agentId })),
    },
  })
  closers.push(() => simulator.close())
  const appsFile = join(await ownDirectory(closers), 'apps.json')
  await writeFile(appsFile, JSON.stringify({ apps: apps.map((app) => ({ ...app, monthlyCallBudget: plan.budget })) }))
  const env = environmentOf(plan, { databaseUrl, simulator, appsFile })
  const workers = [keepWorker(env), keepWorker(env)]
  closers.push(() => Promise.all(workers.map((worker) => worker.stop())))
  await Promise.all(workers.map((worker) => worker.ready()))
  return {
    ...{ databaseUrl, database, simulator, apps },
    /** Kills one of the workers, as the machine under it would by losing power. Resolves when the one that is started in its place is ready. */
    kill: (index) => workers[index].kill(),
    /** How often workers ended by themselves, and were started again. */
    restarts: () => workers.reduce((sum, worker) => sum + worker.restarts(), 0),
  }
}

function environmentOf({ timeScale, schedule, polls }, { databaseUrl, simulator, appsFile }) {
  return {
    PATH: process.env.PATH,
    DATABASE_URL: databaseUrl,
    QUEUE_URL: databaseUrl,
    DINGTALK_OAPI_URL: simulator.url,
    DINGTALK_API_URL: simulator.url,
    DINGTALK_APPS_FILE: appsFile,
    TIME_SCALE: String(timeScale),
    CLOCK_START: simulator.clockStart,
    SCHEDULE: schedule,
    ...(polls !== '' && { POLLS_PER_TASK: polls }),
    MAX_CALLS_PER_SECOND: String(CALLS_PER_SECOND),
    DATABASE_CONNECTIONS: '6',
    QUEUE_CONNECTIONS: '6',
    HEALTH_PORT: '0',
    LOG_PRETTY: '0',
  }
}

/** One worker after the other, as a supervisor of processes starts them. One that is never ready is an error. */
function keepWorker(env) {
  let isOver = false
  let restarts = 0
  let current = start()

  function start() {
    const worker = startWorker(env)
    void worker.exited.then(async () => {
      const wasReady = await worker.ready.then(
        () => true,
        () => false,
      )
      if (isOver || worker !== current || !wasReady) return
      restarts++
      console.error(`a worker ended, and is started again:\n${worker.log()}`)
      current = start()
      current.ready.catch(() => undefined)
    })
    return worker
  }

  return {
    ready: () => current.ready,
    restarts: () => restarts,
    async kill() {
      const killed = current
      current = start()
      killed.kill('SIGKILL')
      await current.ready
    },
    stop() {
      isOver = true
      current.kill('SIGTERM')
      return current.exited
    },
  }
}

function startWorker(env) {
  const child = spawn(process.execPath, [new URL('../../../dist/cli/main.js', import.meta.url).pathname, 'worker'], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let log = ''
  const exited = new Promise((resolve) => child.on('exit', resolve))
  /** @type {Promise<void>} */
  const ready = new Promise((resolve, reject) => {
    child.stderr.on('data', (part) => {
      log = (log + part).slice(-LOG_TAIL)
      if (log.includes('worker ready')) resolve()
    })
    void exited.then((code) => reject(new Error(`a worker ended (${code}) before it was ready:\n${log}`)))
  })
  return { ready, exited, log: () => log, kill: (signal) => child.kill(signal) }
}
