/**
 * 1, 2 and 4 worker processes with one Redis and one PostgreSQL: polls a second, CPU a poll, and whether the rate of an app holds over all of them.
 * Needs `npm run build` and redis-server.
 *
 *   node bench/machines.mjs [--workers 1,2,4] [--tasks 4000] [--people 10] [--apps 10] [--rounds 3] [--cap 100] [--json FILE]
 *
 * In each round all tasks are due at once, and each finds nothing new. Everything runs on this machine, DingTalk in this process: where it has fewer
 * cores than there are processes, CPU a poll says what another machine would add, and polls a second do not.
 */
import { writeFileSync } from 'node:fs'
import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { addTasks, openTimers } from './support/due-tasks.mjs'
import { overdue, quantile, readCpu, startServers, startWorkers, throughput, until } from './support/fleet.mjs'

const { values } = parseArgs({
  options: {
    workers: { type: 'string' },
    tasks: { type: 'string' },
    people: { type: 'string' },
    apps: { type: 'string' },
    rounds: { type: 'string' },
    cap: { type: 'string' },
    json: { type: 'string' },
  },
})
const fleets = (values.workers ?? '1,2,4').split(',').map(Number)
const tasks = Number(values.tasks ?? 4_000)
const people = Number(values.people ?? 10)
const rounds = Number(values.rounds ?? 3)
/** Of the app whose rate is measured, in calls a second. The others have no rate that they reach. */
const cap = Number(values.cap ?? 100)
const free = Array.from({ length: Number(values.apps ?? 10) }, (_, i) => ({ name: `app-${i}`, maxCallsPerSecond: 1_000 }))
const CAPPED = 'capped'
/** How long the capped app is watched, in seconds of its rate. */
const CAPPED_SECONDS = 6

const closers = []
try {
  await main()
} finally {
  for (const close of closers.reverse()) await close()
}

async function main() {
  const servers = await startServers(closers, [...free, { name: CAPPED, maxCallsPerSecond: cap }], people)
  const keys = Array.from({ length: tasks }, (_, i) => ({ app: free[i % free.length]?.name ?? '', taskId: String(i + 1) }))
  const capped = Array.from({ length: cap * CAPPED_SECONDS }, (_, i) => ({ app: CAPPED, taskId: String(tasks + i + 1) }))
  await addTasks(servers, [...keys, ...capped], { people })
  const timers = openTimers(servers)
  closers.push(() => timers.close())
  const figures = {}
  for (const count of fleets) {
    const workers = await startWorkers(closers, servers, count)
    // The first polls of the tasks find their people, and the first ones of a process compile it.
    await burst(servers, timers, keys, workers)
    const measured = []
    for (let i = 0; i < rounds; i++) measured.push(await burst(servers, timers, keys, workers))
    const median = (pick) => Math.round(quantile(measured.map(pick), 0.5) * 1_000) / 1_000
    figures[`machines.${count}.pollsPerSecond`] = Math.round(median(({ perSecond }) => perSecond))
    figures[`machines.${count}.cpuPerPollMs`] = median(({ cpu }) => cpu.workers + cpu.redis + cpu.postgres)
    for (const part of ['workers', 'redis', 'postgres']) figures[`machines.${count}.cpuPartsMs.${part}`] = median(({ cpu }) => cpu[part])
    if (count === fleets.at(-1)) Object.assign(figures, await watchRate(servers, timers, capped))
    await Promise.all(workers.map(({ stop }) => stop()))
    const [perSecond, ms] = ['pollsPerSecond', 'cpuPerPollMs'].map((name) => figures[`machines.${count}.${name}`])
    console.log(`${count} workers, load ${loadavg()[0]?.toFixed(1)}: ${perSecond} polls/s, ${ms} ms of CPU each`)
  }
  console.log(JSON.stringify(figures, null, 2))
  if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(figures, null, 2))
}

async function burst(servers, timers, keys, workers) {
  const { calls } = servers.dingtalk
  await timers.setAtOnce(keys.map((key) => ({ key })))
  const [first, before] = [calls.length, readCpu(servers, workers)]
  await until(() => calls.length - first >= keys.length, 'all polls are made')
  await until(async () => (await overdue(servers)) === 0, 'all polls are stored')
  const after = readCpu(servers, workers)
  const cpu = Object.fromEntries(Object.entries(after).map(([part, ms]) => [part, (ms - before[part]) / keys.length]))
  return { cpu, perSecond: throughput(calls.slice(first).map((call) => call.at)) }
}

/** The most calls in any two seconds must not be more than the rate allows. A call may arrive a moment later than it was permitted. */
async function watchRate(servers, timers, keys) {
  const { calls } = servers.dingtalk
  await timers.setAtOnce(keys.map((key) => ({ key })))
  const first = calls.length
  await until(() => calls.length - first >= keys.length, 'all polls of the capped app are made')
  const times = calls.slice(first).map((call) => call.at)
  const [windowMs, late] = [2_000, 1.1]
  const most = Math.max(...times.map((from, i) => times.slice(i).filter((time) => time < from + windowMs).length))
  return {
    'machines.capReachedShare': Math.round((throughput(times) / cap) * 100) / 100,
    'machines.rateCapHeld': most <= (cap * windowMs * late) / 1_000 + 1,
  }
}
