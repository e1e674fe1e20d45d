/**
 * How late polls are at half of what one worker can do, how a backlog drains, and how many tasks sent at once are planned. Needs `npm run build` and
 * redis-server.
 *
 *   node bench/lateness.mjs [--live 100000] [--people 2] [--calibrate 2000] [--seconds 20] [--sent 10000] [--due 8000] [--cap-share 0.6] [--json FILE]
 *
 * `--live` tasks are open all the time, with a timer each. `--due 50000` drains as many as half of a large installation has, in minutes. Everything runs on
 * this machine, DingTalk too, so the figures are an upper bound for a worker on a machine of its own.
 */
import { loadavg } from 'node:os'
import { createTracker } from '../dist/index.js'
import { readOptions, runBench } from './support/bench.mjs'
import { addTasks, DAY_MS, openTimers } from './support/due-tasks.mjs'
import { percentile } from './support/figures.mjs'
import { callsOf, openFleet, peakMemoryMiB, startWorkers, throughput, until } from './support/fleet.mjs'
import { taskId, userIdsOf } from './support/tasks.mjs'

const options = readOptions({ live: 100_000, people: 2, calibrate: 2_000, seconds: 20, sent: 10_000, due: 8_000, 'cap-share': 0.6 })
const { live, people, calibrate, seconds, sent, due } = options
const APPS = Array.from({ length: 10 }, (_, i) => `app-${i}`)
/** Of those that are due at once. */
const FINAL_SHARE = 0.05
/** Inside the last twelve minutes, of which the first seven spread the final polls. */
const BEFORE_DEADLINE_MS = 4.5 * 60_000

await runBench(options, async (closers) => {
  const fleet = await openFleet(closers, 'dingtalk_delivery_lateness')
  const keys = keysFrom(1, live)
  const begun = Date.now()
  await addTasks(fleet, keys)
  const timers = openTimers(fleet)
  closers.push(() => timers.close())
  await timers.set(keys.map((key, i) => ({ key, at: new Date(Date.now() + DAY_MS / 2 + (i / live) * (DAY_MS / 3)) })))
  const kB = Math.round((Number(/used_memory:(\d+)/.exec(await fleet.redis.client.info('memory'))?.[1]) / 1_000 / live) * 100) / 100
  console.log(`${live} tasks are live after ${since(begun)} s; Redis has ${kB} kB for each; load ${loadavg()[0].toFixed(1)}`)

  const [worker] = await startWorkers(closers, fleet, rates(1_000), 1)
  const capacity = await measureCapacity(fleet, timers, keys.splice(0, calibrate))
  const lateness = await measureLateness(fleet, timers, keys, capacity / 2)
  const planned = await sendAtOnce(fleet)
  await worker.stop()
  // The rate of all apps together while the backlog drains is a share of what one worker did.
  const perSecond = capacity * options['cap-share']
  const [second] = await startWorkers(closers, fleet, rates(perSecond / APPS.length), 1)
  const drained = await drain(fleet, timers, keys, { perSecond, worker: second })
  return { lateness: { redisKBPerTask: kB, pollsPerSecond: Math.round(capacity), ...lateness }, sent: planned, drain: drained }
})

/** @param {number} callsPerSecond of each app */
function rates(callsPerSecond) {
  return APPS.map((name) => ({ name, maxCallsPerSecond: Math.min(1_000, Math.max(0.1, callsPerSecond)) }))
}

/** @param {number} first @param {number} count */
function keysFrom(first, count) {
  return Array.from({ length: count }, (_, i) => ({ app: APPS[i % APPS.length], taskId: taskId(people, first + i) }))
}

/** In seconds. @param {number} begun */
function since(begun) {
  return Math.round((Date.now() - begun) / 100) / 10
}

async function measureCapacity(fleet, timers, keys) {
  const first = await fleet.dingtalk.polls()
  await timers.setAtOnce(keys.map((key) => ({ key })))
  return throughput(await callsOf(fleet, first, keys.length))
}

/** Polls that are due evenly spread. Takes them off `keys`. */
async function measureLateness({ database }, timers, keys, perSecond) {
  const some = keys.splice(0, Math.min(Math.round(perSecond * seconds), keys.length / 2))
  const from = Date.now() + 2_000 + 2 * some.length
  await timers.set(some.map((key, i) => ({ key, at: new Date(from + (i * 1_000) / perSecond) })))
  const ids = some.map((key) => key.taskId)
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
    duePerSecond: Math.round(perSecond),
    p50Ms: Math.round(percentile(lateMs, 0.5)),
    p99Ms: Math.round(percentile(lateMs, 0.99)),
    maxMs: Math.round(Math.max(...lateMs)),
  }
}

/** As a sender does that has all of them at once. */
async function sendAtOnce({ databaseUrl, database }) {
  const tracker = createTracker({ databaseUrl })
  const keys = keysFrom(10_000_000, sent)
  const begun = Date.now()
  await tracker.trackMany(keys.map((key) => ({ ...key, userIds: userIdsOf(key.taskId), sentAt: new Date(), campaign: 'sent-at-once' })))
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
    trackSeconds: trackSeconds,
    plannedAfterSeconds: Math.round((await read()).seconds * 10) / 10,
    mostPollsInOneSecond: rows[0].most,
  }
}

/** All due at once, some of them final polls, at a rate that the worker can keep. */
async function drain(fleet, timers, keys, { perSecond, worker }) {
  const finals = keysFrom(20_000_000, Math.ceil(due * FINAL_SHARE))
  await addTasks(fleet, finals, new Date(Date.now() - DAY_MS + BEFORE_DEADLINE_MS))
  const ordinary = keys.splice(0, due - finals.length)
  // In a backlog nothing says which of them are set first.
  const all = [...ordinary.map((key) => ({ key, last: false })), ...finals.map((key) => ({ key, last: true }))]
  const first = await fleet.dingtalk.polls()
  const at = await timers.setAtOnce(all)
  const made = (await callsOf(fleet, first, all.length, 1_200_000)).slice(0, all.length)
  const isFinal = new Set(finals.map((key) => Number(key.taskId)))
  const lastFinal = made.findLastIndex((call) => isFinal.has(call.taskId))
  const before = made.slice(0, lastFinal).filter((call) => !isFinal.has(call.taskId)).length
  const took = (made.at(-1).at - at.getTime()) / 1_000
  return {
    polls: all.length,
    capPerSecond: Math.round(perSecond),
    seconds: Math.round(took * 10) / 10,
    secondsOverCap: Math.round((took - all.length / perSecond) * 10) / 10,
    rssMiB: await peakMemoryMiB(worker.pid),
    ordinaryBeforeLastFinal: before,
    // A worker has some under way and some that wait for the rate when the final polls come.
    finalFirst: before <= Math.max(150, ordinary.length * 0.05),
  }
}
