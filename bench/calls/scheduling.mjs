/**
 * Measures what planning a task costs a worker: CPU of this process, without PostgreSQL. Needs `npm run build`.
 *
 *   node bench/calls/scheduling.mjs [--tasks 2000] [--no-limits]
 *
 * Fails where a task takes more than 0.3 ms when the plans of its law are kept, or more than 10 ms when they are not; with `--no-limits` never.
 */
import { buildTiming } from '../../dist/domain/poll-times.js'
import { PRIOR_LAW } from '../../dist/domain/schedule/prior.js'
import { createLearnedPlacing } from '../../dist/polling/place-learned.js'
import { createTaskPlanner } from '../../dist/polling/plan-tasks.js'
import { readOptions } from '../support/bench.mjs'
import { calendar, createRandom } from './worlds.mjs'

const { tasks, 'no-limits': isUnlimited } = readOptions({ tasks: 2_000, 'no-limits': false })

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const KEPT_LIMIT_MS = 0.3
const NEW_LIMIT_MS = 10
const SIZES = [1, 10, 50, 100]
const BATCH = 500
const MONDAY = Date.UTC(2026, 10, 2)

const timing = buildTiming(24)
const settings = {
  pollsPerTask: null,
  targetWidthMs: null,
  reportAgesMs: [HOUR_MS, 4 * HOUR_MS],
  maxGap: { ms: 6 * HOUR_MS, isHard: false },
}

/** A month of 40 tasks a work day, 300 of them open. */
function anOutlook(nowMs) {
  const sent = Array.from({ length: 28 * 9 }, (_, i) => ({ hour: -i * 2 - 1, tasks: 5 }))
  const sample = Array.from({ length: 200 }, (_, i) => ({
    sentAt: new Date(nowMs - (i * DAY_MS) / 200),
    unread: SIZES[i % SIZES.length] ?? 1,
    pollOffsetsMs: [...timing.offsetsMs, DAY_MS - 500_000].map(Math.round),
  }))
  const recent = Array.from({ length: 40 }, (_, i) => ({ sentAt: new Date(nowMs - i * 17 * 60_000), people: SIZES[i % SIZES.length] ?? 1 }))
  const month = { startsAt: new Date(nowMs - 10 * DAY_MS), endsAt: new Date(nowMs + 20 * DAY_MS) }
  return { month, used: 1_500, finalPolls: 300, open: { tasks: 900, sample }, waiting: 500, isOld: true, sent, recent }
}

function createPlanner({ budget }) {
  let nowMs = MONDAY
  let version = 1
  const now = () => new Date(nowMs)
  const outlooks = { read: async () => anOutlook(nowMs), recentTasks: async () => anOutlook(nowMs).recent }
  const laws = { latest: async () => ({ law: PRIOR_LAW, version, tasks: 100, people: 5_000, lastSentAt: now(), learnedAt: now() }) }
  const placing = createLearnedPlacing({ settings, calendar, laws, outlooks, timing, now })
  const failed = ({ error }) => {
    throw error
  }
  const planner = createTaskPlanner({ timing, now, placing, events: { failed }, limitsOf: () => ({ monthlyBudget: budget }) })
  return {
    relearn() {
      version++
      nowMs += 120_000
    },
    pass(ms) {
      nowMs += ms
    },
    plan: (taskId, people, lateMs) =>
      planner.plan({
        ...{ key: { app: 'hr', taskId }, campaign: null, sentAt: new Date(nowMs - lateMs), sentAtGiven: true, people },
        ...{ pollOffsetsMs: null, admitted: true, resumed: false },
      }),
  }
}

async function cpuOf(work) {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1_000
}

/** Batches, each of another minute. */
async function planBatches(planner, count, { stepMs, batch = BATCH, lateMs = 5_000 }) {
  const random = createRandom(7)
  for (let done = 0; done < count; done += batch) {
    planner.pass(stepMs)
    const size = Math.min(batch, count - done)
    await Promise.all(
      Array.from({ length: size }, (_, i) => planner.plan(`${done + i}`, SIZES[Math.floor(random() * SIZES.length)] ?? 1, lateMs)),
    )
  }
}

let isOver = false
function report(name, ms, limit) {
  const verdict = ms <= limit ? `  ok, at most ${limit}` : `  TOO MUCH: at most ${limit}`
  if (ms > limit) isOver = true
  console.log(`${name.padEnd(64)} ${ms.toFixed(3).padStart(8)} ms of CPU a task${verdict}`)
}

for (const [name, budget] of [
  ['no budget', null],
  ['a budget', 4_000],
]) {
  const planner = createPlanner({ budget })
  // The first plans are also those that compile the code.
  await planBatches(planner, 300, { stepMs: 600_000, batch: 1 })
  planner.relearn()
  const fresh = await cpuOf(() => planBatches(planner, 144, { stepMs: 600_000, batch: 1 }))
  report(`${name}: the first task of each time of day after a law was learned`, fresh / 144, NEW_LIMIT_MS)
  await planBatches(planner, 2_000, { stepMs: 600_000 })
  const kept = await cpuOf(() => planBatches(planner, tasks, { stepMs: 1_000 }))
  report(`${name}: batches of ${BATCH}, plans kept`, kept / tasks, KEPT_LIMIT_MS)
  const single = await cpuOf(() => planBatches(planner, tasks, { stepMs: 1_000, batch: 1 }))
  report(`${name}: one task a second, plans kept`, single / tasks, KEPT_LIMIT_MS)
  const late = await cpuOf(() => planBatches(planner, 100, { stepMs: 60_000, batch: 1, lateMs: 3 * HOUR_MS }))
  report(`${name}: tracked three hours late, another minute each`, late / 100, NEW_LIMIT_MS)
}
process.exitCode = isOver && !isUnlimited ? 1 : 0
