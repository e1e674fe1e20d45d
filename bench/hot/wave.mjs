import { setTimeout as sleep } from 'node:timers/promises'
import { cpuOf, cpuOfFamily, cpuOfMachine, shareOfOthers } from '../support/usage.mjs'

const TIMEOUT_MS = 120_000
/** How far ahead the timers of a wave are set: so many times what it took for the one before, and so many milliseconds more. */
const [LEAD_TIMES, LEAD_MORE_MS] = [1.5, 100]
/** The window begins this long before the timers fire. */
const BEFORE_MS = 30

/**
 * One wave: the timers of all tasks fire at the same time, and the worker polls as fast as it can until all are set again. The schedule decides
 * nothing in it, and time is not scaled, so what a worker does in the background costs what it costs in production.
 * @param {{ world, pid: number, queue, tasks: { job }[], lead: { ms: number }, makeDue?: (at: Date) => Promise<unknown> }} subject
 * @returns what the wave used
 */
export async function runWave(subject) {
  await releaseTogether(subject)
  return await measure(subject, (before) => drained(subject, before))
}

/** CPU milliseconds a poll of worker, Redis and PostgreSQL, and what else a window of work took. */
export async function measure({ world, pid }, work) {
  const before = await read(world, pid)
  await work(before)
  const after = await read(world, pid)
  const used = Object.fromEntries(Object.keys(after).map((name) => [name, after[name] - before[name]]))
  const { polls, ms, machine, worker, redis, postgres } = used
  const total = worker + redis + postgres
  return {
    polls,
    pollsPerSecond: (1_000 * polls) / ms,
    cpuMsPerPoll: total / polls,
    ...{ workerMsPerPoll: worker / polls, redisMsPerPoll: redis / polls, postgresMsPerPoll: postgres / polls },
    walBytesPerPoll: used.wal / polls,
    othersShare: shareOfOthers({ machine, ours: total + used.around, ms }),
  }
}

async function read(world, pid) {
  const [polls, { rows }] = await Promise.all([
    world.dingtalk.polls(),
    world.client.query("SELECT (pg_current_wal_insert_lsn() - '0/0')::float8 AS wal"),
  ])
  return {
    ...{ polls, ms: performance.now(), wal: rows[0].wal, machine: cpuOfMachine(), worker: cpuOf(pid) },
    ...{ redis: world.redis === null ? 0 : cpuOf(world.redis.pid), postgres: cpuOfFamily(world.postgresPid) },
    around: cpuOf(process.pid) + cpuOf(world.dingtalk.pid),
  }
}

/**
 * All timers get the same time, ahead by as much as setting them takes: what is longer would be waiting, and where it was too short the wave is drained,
 * and set once more.
 */
async function releaseTogether(subject) {
  const { tasks, lead } = subject
  for (; ; lead.ms *= 2) {
    const begun = Date.now()
    const at = begun + lead.ms
    const polls = await subject.world.dingtalk.polls()
    await subject.makeDue?.(new Date(at - 100))
    await Promise.all(tasks.map(({ job }) => job.changeDelay(Math.max(1, at - Date.now()))))
    const tookMs = Date.now() - begun
    const leftMs = lead.ms - BEFORE_MS - tookMs
    if (leftMs > 0) {
      lead.ms = Math.ceil(LEAD_TIMES * tookMs) + LEAD_MORE_MS
      return await sleep(leftMs)
    }
    await drained(subject, { polls })
  }
}

/** Until each task was polled and has its timer again. */
async function drained({ world, queue, tasks }, before) {
  const giveUpAt = performance.now() + TIMEOUT_MS
  while ((await world.dingtalk.polls()) - before.polls < tasks.length) await pause(giveUpAt, 'a poll')
  for (;;) {
    const { active, waiting, prioritized } = await queue.getJobCounts('active', 'waiting', 'prioritized')
    if (active + waiting + prioritized === 0) return
    await pause(giveUpAt, 'a timer')
  }
}

async function pause(giveUpAt, what) {
  if (performance.now() > giveUpAt) throw new Error(`${what} is missing after ${TIMEOUT_MS / 1_000} s`)
  await sleep(10)
}
