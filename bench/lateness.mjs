/**
 * How late polls are at half of what one worker can do, how a backlog drains, and how many tasks sent at once are planned. Needs `npm run build` and
 * redis-server.
 *
 *   node bench/lateness.mjs [--live 100000] [--people 2] [--calibrate 2000] [--seconds 20] [--sent 10000] [--due 8000] [--cap-share 0.6] [--json FILE]
 *
 * `--live` tasks are open all the time, with a timer each. `--due 50000` drains as many as half of a large installation has, in minutes. Everything runs on
 * this machine, DingTalk in this process, so the figures are an upper bound for a worker on a machine of its own.
 */
import { writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { createTracker } from '../dist/index.js'
import { addTasks, DAY_MS, openTimers } from './support/due-tasks.mjs'
import { overdue, peakMemoryMiB, quantile, startServers, startWorkers, throughput, until, writeApps } from './support/fleet.mjs'

const { values } = parseArgs({
  options: {
    live: { type: 'string' },
    people: { type: 'string' },
    calibrate: { type: 'string' },
    seconds: { type: 'string' },
    sent: { type: 'string' },
    due: { type: 'string' },
    'cap-share': { type: 'string' },
    json: { type: 'string' },
  },
})
const live = Number(values.live ?? 100_000)
const people = Number(values.people ?? 2)
const calibrate = Number(values.calibrate ?? 2_000)
const seconds = Number(values.seconds ?? 20)
const sent = Number(values.sent ?? 10_000)
const due = Number(values.due ?? 8_000)
/** The rate of all apps together while the backlog drains, as a share of what one worker did. */
const capShare = Number(values['cap-share'] ?? 0.6)
const APPS = Array.from({ length: 10 }, (_, i) => `app-${i}`)
/** Of those that are due at once. */
const FINAL_SHARE = 0.05
/** Inside the last twelve minutes, of which the first seven spread the final polls. */
const BEFORE_DEADLINE_MS = 4.5 * 60_000

const closers = []
try {
  await main()
} finally {
  for (const close of closers.reverse()) await close()
}

async function main() {
  const servers = await startServers(closers, rates(1_000), people)
  const keys = keysFrom(1, live)
  const begun = Date.now()
  await addTasks(servers, keys, { people })
  const timers = openTimers(servers)
  closers.push(() => timers.close())
  await timers.set(keys.map((key, i) => ({ key, at: new Date(Date.now() + DAY_MS / 2 + (i / live) * (DAY_MS / 3)) })))
  const kB = Math.round((Number(/used_memory:(\d+)/.exec(await servers.redis.client.info('memory'))?.[1]) / 1_000 / live) * 100) / 100
  console.log(`${live} tasks are live after ${since(begun)} s; Redis has ${kB} kB for each; load ${loadavg()[0]?.toFixed(1)}`)

  const workers = await startWorkers(closers, servers, 1)
  const capacity = await measureCapacity(servers, timers, keys.splice(0, calibrate))
  const late = await measureLateness(servers, timers, keys, capacity / 2)
  const planned = await sendAtOnce(servers)
  await Promise.all(workers.map(({ stop }) => stop()))
  const drained = await drain(servers, timers, keys, capacity * capShare)
  const figures = { 'lateness.redisKBPerTask': kB, 'lateness.pollsPerSecond': Math.round(capacity), ...late, ...planned, ...drained }
  console.log(JSON.stringify(figures, null, 2))
  if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(figures, null, 2))
}

/** @param {number} callsPerSecond of each app */
function rates(callsPerSecond) {
  return APPS.map((name) => ({ name, maxCallsPerSecond: Math.min(1_000, Math.max(0.1, callsPerSecond)) }))
}

/** @param {number} first @param {number} count */
function keysFrom(first, count) {
  return Array.from({ length: count }, (_, i) => ({ app: APPS[i % APPS.length] ?? '', taskId: String(first + i) }))
}

/** In seconds. @param {number} begun */
function since(begun) {
  return Math.round((Date.now() - begun) / 100) / 10
}

async function measureCapacity(servers, timers, keys) {
  const { calls } = servers.dingtalk
  const first = calls.length
  await timers.setAtOnce(keys.map((key) => ({ key })))
  await until(() => calls.length - first >= keys.length, 'all polls are made')
  await until(async () => (await overdue(servers)) === 0, 'all polls are stored')
  return throughput(calls.slice(first).map(({ at }) => at))
}

/** Polls that are due evenly spread. Takes them off `keys`. */
async function measureLateness({ database }, timers, keys, perSecond) {
  const some = keys.splice(0, Math.min(Math.round(perSecond * seconds), keys.length / 2))
  const from = Date.now() + 2_000 + 2 * some.length
  await timers.set(some.map((key, i) => ({ key, at: new Date(from + (i * 1_000) / perSecond) })))
  const ids = some.map(({ taskId }) => taskId)
  const read = async () =>
    (
      await database.query(
        `SELECT extract(epoch FROM poll.requested_at - poll.due_at)::float * 1000 AS ms
         FROM delivery_poll AS poll JOIN delivery_task AS task ON task.id = poll.task_pk WHERE task.task_id = ANY($1)`,
        [ids],
      )
    ).rows.map(({ ms }) => ms)
  await until(() => Date.now() > from + (some.length / perSecond) * 1_000, 'all are due')
  await until(async () => (await read()).length >= some.length, 'all are polled')
  const lateMs = await read()
  return {
    'lateness.duePerSecond': Math.round(perSecond),
    'lateness.p50Ms': Math.round(quantile(lateMs, 0.5)),
    'lateness.p99Ms': Math.round(quantile(lateMs, 0.99)),
    'lateness.maxMs': Math.round(Math.max(...lateMs)),
  }
}

/** As a sender does that has all of them at once. */
async function sendAtOnce({ databaseUrl, database }) {
  const tracker = createTracker({ databaseUrl })
  const keys = keysFrom(10_000_000, sent)
  const userIds = Array.from({ length: people }, (_, i) => `user-${i}`)
  const begun = Date.now()
  await tracker.trackMany(keys.map((key) => ({ ...key, userIds, sentAt: new Date(), campaign: 'sent-at-once' })))
  const trackSeconds = since(begun)
  await tracker.close()
  const read = async () =>
    (
      await database.query(
        `SELECT count(*) FILTER (WHERE scheduled_at IS NULL)::int AS waiting,
           extract(epoch FROM max(scheduled_at - tracked_at))::float AS seconds FROM delivery_task WHERE campaign = 'sent-at-once'`,
      )
    ).rows[0]
  await until(async () => (await read()).waiting === 0, 'all are planned')
  /** Polls that are planned for the same second: the n-th of each task, the final ones last. */
  const { rows } = await database.query(
    `SELECT max(polls)::int AS most FROM (
       SELECT count(*) AS polls FROM delivery_task, unnest(poll_offsets) AS planned (ms)
       WHERE campaign = 'sent-at-once' GROUP BY floor(extract(epoch FROM sent_at) + ms / 1000.0)) AS each`,
  )
  return {
    'sent.trackSeconds': trackSeconds,
    'sent.plannedAfterSeconds': Math.round((await read()).seconds * 10) / 10,
    'sent.mostPollsInOneSecond': rows[0].most,
  }
}

/** All due at once, some of them final polls, at a rate that the worker can keep. */
async function drain(servers, timers, keys, perSecond) {
  await writeApps(servers, rates(perSecond / APPS.length))
  const finals = keysFrom(20_000_000, Math.ceil(due * FINAL_SHARE))
  await addTasks(servers, finals, { people, sentAt: new Date(Date.now() - DAY_MS + BEFORE_DEADLINE_MS) })
  const ordinary = keys.splice(0, due - finals.length)
  const { calls } = servers.dingtalk
  const [worker] = await startWorkers(closers, servers, 1)
  // In a backlog nothing says which of them are set first.
  const all = [...ordinary.map((key) => ({ key, last: false })), ...finals.map((key) => ({ key, last: true }))]
  const first = calls.length
  const at = await timers.setAtOnce(all)
  const begun = performance.now() + at.getTime() - Date.now()
  await until(() => calls.length - first >= all.length, 'the backlog is drained', 1_200_000)
  const made = calls.slice(first)
  const isFinal = new Set(finals.map(({ taskId }) => Number(taskId)))
  const lastFinal = made.findLastIndex(({ taskId }) => isFinal.has(taskId))
  const before = made.slice(0, lastFinal).filter(({ taskId }) => !isFinal.has(taskId)).length
  const took = ((made.at(-1)?.at ?? 0) - begun) / 1_000
  return {
    'drain.polls': all.length,
    'drain.capPerSecond': Math.round(perSecond),
    'drain.seconds': Math.round(took * 10) / 10,
    'drain.secondsOverCap': Math.round((took - all.length / perSecond) * 10) / 10,
    'drain.rssMiB': await peakMemoryMiB(worker?.pid ?? 0),
    'drain.ordinaryBeforeLastFinal': before,
    // A worker has some under way and some that wait for the rate when the final polls come.
    'drain.finalFirst': before <= Math.max(150, ordinary.length * 0.05),
  }
}
