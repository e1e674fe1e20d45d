/**
 * Months in minutes, on PostgreSQL, with two worker processes that are killed and a DingTalk that fails. Needs `npm run build`.
 *
 *   node bench/calls/compressed-month.mjs [--apps 20] [--tasks 100] [--budget 1500] [--from 2026-11-01T00:00] [--days 31] [--scale 1440]
 *     [--law office] [--schedule growing|learned] [--polls N] [--kills 12] [--faults 60] [--lead 15] [--seed 1] [--json FILE]
 *
 * Each app has a budget of its own, so 20 apps are 20 months at once. Messages to 1, 10, 50 and 100 people are sent at mixed times of `--days` days
 * from the local time `--from` on (reached `--lead` seconds after the command began to start servers), then nothing is sent for a day. Fails when a month had a call over its budget, a call was made that was not
 * counted, an admitted task has no final poll, a task has not ended, or a bracket does not contain the read. Everything is simulated.
 *
 * A day lasts 86,400 s ÷ `--scale`, and the final poll is due 5 to 12 minutes ÷ `--scale` before the deadline: 0.2 to 0.5 s by default. A machine
 * that is later than that loses final polls. They are counted apart, and are no failure where other polls were as late.
 */
import { parseClockStart } from '../../dist/lib/simulated-clock.js'
import { readOptions, runBench } from '../support/bench.mjs'
import { judge } from './compressed/judge.mjs'
import { readRows } from './compressed/ledger.mjs'
import { disturb } from './compressed/mischief.mjs'
import { drawTraffic, sendAll } from './compressed/traffic.mjs'
import { startWorld } from './compressed/world.mjs'

const options = readOptions({
  ...{ apps: 20, tasks: 100, budget: 1_500, from: '2026-11-01T00:00', days: 31, scale: 1_440, law: 'office', schedule: 'growing' },
  ...{ polls: '', kills: 12, faults: 60, lead: 15, seed: 1 },
})
const { apps, tasks, budget, days, scale: timeScale, seed } = options
const DAY_MS = 86_400_000
/** After the last deadline all tasks must have ended soon: what a killed worker had waits for its lock, in real milliseconds. */
const END_GRACE_MS = 90_000
const MOST_SHOWN = 20

await runBench(options, async (closers) => {
  const { from, law, schedule, polls } = options
  const startAt = new Date(Date.now() + options.lead * 1_000)
  const world = await startWorld(closers, { apps, budget, timeScale, law, seed, schedule, polls, from: `${from}@${startAt.toISOString()}` })
  const clock = parseClockStart(world.simulator.clockStart)
  const seconds = Math.round(DAY_MS / timeScale / 100) / 10
  console.log(`${apps} apps with ${budget} calls a month and ${tasks} tasks each, ${days} days from ${from} on, a day in ${seconds} s`)
  const over = new AbortController()
  const lastMs = clock.realMs + ((days + 0.9) * DAY_MS) / timeScale - Date.now()
  const disturbing = disturb(world, { kills: options.kills, faults: options.faults, seed, lastMs }, over.signal)
  // It is awaited below: servers are stopped before a rejection ends this process.
  disturbing.catch(() => undefined)
  const sent = await sendAll(world, drawTraffic({ apps, tasks, days, seed, startMs: clock.localMs }), {
    startedMs: clock.realMs,
    timeScale,
  })
  await untilEnded(world.database)
  over.abort()
  const disturbances = await disturbing
  const rows = await readRows(world.database)
  const { violations, figures: judged } = judge({ budget, timeScale, clock, disturbances, ...rows, ...truthOf(world, sent) })
  const figures = { ...judged, workersThatEnded: world.restarts() }
  console.log(JSON.stringify(figures, null, 2))
  for (const violation of violations.slice(0, MOST_SHOWN)) console.log(`violated: ${violation}`)
  console.log(violations.length === 0 ? 'nothing was violated' : `${violations.length} violations`)
  if (violations.length > 0) process.exitCode = 1
  // All of it is much: only for a file.
  return options.json === '' ? undefined : { options, figures, violations, months: rows.months }
})

async function untilEnded(database) {
  const last = (await database.query('SELECT max(deadline_at) AS at FROM delivery_task')).rows[0].at
  for (;;) {
    const { rows } = await database.query("SELECT count(*)::integer AS open FROM delivery_task WHERE status = 'tracking'")
    // What has not ended then is for the judge to name.
    if (rows[0].open === 0 || Date.now() > last.getTime() + END_GRACE_MS) return
    await new Promise((resolve) => setTimeout(resolve, 1_000))
  }
}

/** What the simulator knows: who reads when, and every call that came. */
function truthOf({ simulator, apps: known }, sent) {
  const names = new Map(known.map(({ appKey, name }) => [appKey, name]))
  const truth = new Map(
    sent.map(({ taskId, appKey, sentAt, recipients }) => {
      const readers = recipients.filter(({ fate, readAt }) => fate === 'read' && readAt !== null)
      return [taskId, { app: names.get(appKey), sentAt, readers: new Map(readers.map(({ userId, readAt }) => [userId, readAt])) }]
    }),
  )
  const arrivals = new Map(simulator.allTaskCalls().map(({ taskId, polls }) => [taskId, polls]))
  const metered = new Map(Object.entries(simulator.stats().byApp).map(([appKey, calls]) => [names.get(appKey), calls.metered]))
  return { truth, arrivals, metered }
}
