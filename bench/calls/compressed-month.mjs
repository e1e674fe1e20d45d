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
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { parseClockStart } from '../../dist/lib/simulated-clock.js'
import { judge } from './compressed/judge.mjs'
import { readRows } from './compressed/ledger.mjs'
import { disturb } from './compressed/mischief.mjs'
import { drawTraffic, sendAll } from './compressed/traffic.mjs'
import { startWorld } from './compressed/world.mjs'

const { values: options } = parseArgs({
  options: {
    apps: { type: 'string', default: '20' },
    tasks: { type: 'string', default: '100' },
    budget: { type: 'string', default: '1500' },
    from: { type: 'string', default: '2026-11-01T00:00' },
    days: { type: 'string', default: '31' },
    scale: { type: 'string', default: '1440' },
    law: { type: 'string', default: 'office' },
    schedule: { type: 'string', default: 'growing' },
    polls: { type: 'string' },
    kills: { type: 'string', default: '12' },
    faults: { type: 'string', default: '60' },
    lead: { type: 'string', default: '15' },
    seed: { type: 'string', default: '1' },
    json: { type: 'string' },
  },
})
const apps = Number(options.apps)
const tasks = Number(options.tasks)
const budget = Number(options.budget)
const days = Number(options.days)
const timeScale = Number(options.scale)
const seed = Number(options.seed)
const DAY_MS = 86_400_000
/** After the last deadline all tasks must have ended soon: what a killed worker had waits for its lock, in real milliseconds. */
const END_GRACE_MS = 90_000
const MOST_SHOWN = 20

const closers = []
// Workers and PostgreSQL are processes of their own, and would stay.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void closeAll().finally(() => process.exit(1)))
try {
  await main()
} finally {
  await closeAll()
}

async function closeAll() {
  for (const close of closers.splice(0).reverse()) await close()
}

async function main() {
  const { from, law, schedule, polls } = options
  const startAt = new Date(Date.now() + Number(options.lead) * 1_000)
  const world = await startWorld(closers, { apps, budget, timeScale, law, seed, schedule, polls, from: `${from}@${startAt.toISOString()}` })
  const clock = parseClockStart(world.simulator.clockStart)
  const seconds = Math.round(DAY_MS / timeScale / 100) / 10
  console.log(`${apps} apps with ${budget} calls a month and ${tasks} tasks each, ${days} days from ${from} on, a day in ${seconds} s`)
  const over = new AbortController()
  const lastMs = clock.realMs + ((days + 0.9) * DAY_MS) / timeScale - Date.now()
  const disturbing = disturb(world, { kills: Number(options.kills), faults: Number(options.faults), seed, lastMs }, over.signal)
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
  if (options.json !== undefined)
    await writeFile(options.json, JSON.stringify({ options, figures, violations, months: rows.months }, null, 2))
}

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
