/**
 * 1, 2 and 4 worker processes with one Redis and one PostgreSQL: polls a second, CPU a poll, and whether the rate of an app holds over all of them.
 * Needs `npm run build` and redis-server.
 *
 *   node bench/machines.mjs [--workers 1,2,4] [--tasks 4000] [--people 10] [--apps 10] [--rounds 3] [--cap 100] [--json FILE]
 *
 * In each round all tasks are due at once, and each finds nothing new. Everything runs on this machine, DingTalk too: where it has fewer
 * cores than there are processes, CPU a poll says what another machine would add, and polls a second do not.
 */
import { loadavg } from 'node:os'
import { readOptions, runBench } from './support/bench.mjs'
import { addTasks, openTimers } from './support/due-tasks.mjs'
import { median, round } from './support/figures.mjs'
import { callsOf, openFleet, readCpu, startWorkers, throughput } from './support/fleet.mjs'
import { taskId } from './support/tasks.mjs'

const options = readOptions({ workers: '1,2,4', tasks: 4_000, people: 10, apps: 10, rounds: 3, cap: 100 })
const { tasks, people, rounds, cap } = options
const free = Array.from({ length: options.apps }, (_, i) => ({ name: `app-${i}`, maxCallsPerSecond: 1_000 }))
/** The app whose rate is measured, `--cap` calls a second. The others have no rate that they reach. */
const CAPPED = 'capped'
/** How long the capped app is watched, in seconds of its rate. */
const CAPPED_SECONDS = 6

await runBench(options, async (closers) => {
  const fleet = await openFleet(closers, 'dingtalk_delivery_machines')
  const keys = Array.from({ length: tasks }, (_, i) => ({ app: free[i % free.length].name, taskId: taskId(people, i) }))
  const capped = Array.from({ length: cap * CAPPED_SECONDS }, (_, i) => ({ app: CAPPED, taskId: taskId(people, tasks + i) }))
  await addTasks(fleet, [...keys, ...capped])
  const timers = openTimers(fleet)
  closers.push(() => timers.close())
  const machines = {}
  const counts = options.workers.split(',').map(Number)
  for (const count of counts) {
    const workers = await startWorkers(closers, fleet, [...free, { name: CAPPED, maxCallsPerSecond: cap }], count)
    // The first polls of the tasks find their people, and the first ones of a process compile it.
    await burst(fleet, timers, keys, workers)
    const measured = []
    while (measured.length < rounds) measured.push(await burst(fleet, timers, keys, workers))
    machines[count] = summarise(measured)
    if (count === counts.at(-1)) Object.assign(machines, await watchRate(fleet, timers, capped))
    await Promise.all(workers.map(({ stop }) => stop()))
    console.log(`${count} workers, load ${loadavg()[0].toFixed(1)}: ${JSON.stringify(machines[count])}`)
  }
  return { machines }
})

function summarise(measured) {
  const middle = (pick) => round(median(measured.map(pick)))
  return {
    pollsPerSecond: Math.round(middle(({ perSecond }) => perSecond)),
    cpuPerPollMs: middle(({ cpu }) => cpu.workers + cpu.redis + cpu.postgres),
    cpuPartsMs: Object.fromEntries(['workers', 'redis', 'postgres'].map((part) => [part, middle(({ cpu }) => cpu[part])])),
  }
}

async function burst(fleet, timers, keys, workers) {
  await timers.setAtOnce(keys.map((key) => ({ key })))
  const [first, before] = [await fleet.dingtalk.polls(), readCpu(fleet, workers)]
  const calls = await callsOf(fleet, first, keys.length)
  const after = readCpu(fleet, workers)
  const cpu = Object.fromEntries(Object.entries(after).map(([part, ms]) => [part, (ms - before[part]) / keys.length]))
  return { cpu, perSecond: throughput(calls) }
}

/** The most calls in any two seconds must not be more than the rate allows. A call may arrive a moment later than it was permitted. */
async function watchRate(fleet, timers, keys) {
  await timers.setAtOnce(keys.map((key) => ({ key })))
  const calls = await callsOf(fleet, await fleet.dingtalk.polls(), keys.length)
  const times = calls.map(({ at }) => at)
  const [windowMs, late] = [2_000, 1.1]
  const most = Math.max(...times.map((from, i) => times.slice(i).filter((time) => time < from + windowMs).length))
  return { capReachedShare: round(throughput(calls) / cap, 2), rateCapHeld: most <= (cap * windowMs * late) / 1_000 + 1 }
}
