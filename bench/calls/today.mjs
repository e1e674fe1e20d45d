/**
 * The plans against growing gaps, which every task had before plans were learned. Needs `npm run build`.
 *
 *   node bench/calls/today.mjs [--seeds 6] [--json FILE]
 *
 * For each population and send time, with 8, 16, 24 and 48 polls: the mean bracket in minutes of growing gaps, how many times the optimum that is, and
 * the mean bracket of the product's plans ÷ that of growing gaps with as many polls: of the law without data (`prior`), of what was learned from 20
 * and from 50 tasks of 50 people (the mean of the seeds, and the largest), and of the true read curve. Report ages are those of the default. `at most`
 * is the acceptance of 24 polls, for 50 learned tasks. Everything is simulated. Fails where a figure is over.
 */
import { writeFile } from 'node:fs/promises'
import { expectedCalls } from '../../dist/domain/schedule/calls.js'
import { buildComparedOffsets, optimumWidthMs } from '../../dist/domain/schedule/compare.js'
import { curveOf } from '../../dist/domain/schedule/curve.js'
import { learnLaw } from '../../dist/domain/schedule/learn.js'
import { planFamily } from '../../dist/domain/schedule/plan-family.js'
import { PRIOR_LAW } from '../../dist/domain/schedule/prior.js'
import { readOptions } from '../support/bench.mjs'
import {
  calendar,
  createRandom,
  drawReads,
  FINAL_MINUTES,
  GRID_MINUTES,
  mixedSendTimes,
  observe,
  SEND_TIMES,
  TUNING,
  trueShares,
  widthOn,
} from './worlds.mjs'

const MINUTE_MS = 60_000
const FINAL_MS = FINAL_MINUTES * MINUTE_MS
const COUNTS = [8, 16, 24, 48]
const PEOPLE = 50
/** A law is learned anew after so many tasks. */
const LEARN_EVERY = 5
/** As the product plans by default. */
const WISHES = { finalOffsetMs: FINAL_MS, maxGapMs: { ms: 360 * MINUTE_MS, isHard: false }, forcedAges: [60 * MINUTE_MS, 240 * MINUTE_MS] }
/** The acceptance: the mean bracket ÷ that of growing gaps, with 24 polls each. */
const CASES = [
  { name: 'office', world: 'office', send: 'Tue 10:00', atMost: 0.88 },
  { name: 'slow people', world: 'slow office', send: 'Tue 10:00', atMost: null },
  { name: '16:30', world: 'office', send: 'Tue 16:30', atMost: 0.62 },
  { name: '20:00', world: 'office', send: 'Tue 20:00', atMost: 0.55 },
  { name: '01:00', world: 'office', send: 'Tue 01:00', atMost: 0.6 },
  { name: 'Fri 17:00', world: 'office', send: 'Fri 17:00', atMost: 0.72 },
  { name: 'Sat 10:00', world: 'office', send: 'Sat 10:00', atMost: 0.88 },
]
const COMPARED_COUNT = 24

const { seeds, json } = readOptions({ seeds: 6 })
const worlds = new Map(TUNING.map((world) => [world.name, world]))
const laws = new Map()

const rows = CASES.flatMap(measure)
print(rows)
if (json !== '') await writeFile(json, JSON.stringify(rows, null, 2))
if (rows.some(({ isOver }) => isOver)) process.exitCode = 1

function measure({ name, world: worldName, send, atMost }) {
  const world = worlds.get(worldName)
  const sentAt = SEND_TIMES[send]
  const shares = trueShares(world, sentAt)
  const curve = { offsetsMs: Array.from(shares, (_, i) => i * GRID_MINUTES * MINUTE_MS), shares: Array.from(shares) }
  return COUNTS.map((polls) => {
    const growing = buildComparedOffsets(polls, FINAL_MS).growing
    const width = widthOf(shares, growing)
    const ratio = (law) => widthOf(shares, planOf(curveOf(law, sentAt, calendar), polls)) / width
    const learned = (tasks) => summary(learnedLaws(world, tasks).map(ratio))
    const after50 = learned(50)
    return {
      ...{ name, polls, growing: width, optimum: width / (optimumWidthMs(curve, FINAL_MS, polls) / MINUTE_MS) },
      ...{ prior: ratio(PRIOR_LAW), after20: learned(20), after50, known: widthOf(shares, planOf(curve, polls)) / width },
      // Of a task of 50 people: nothing is won by calls that are not made.
      calls: [growing, planOf(curve, polls)].map((offsetsMs) => expectedCalls(curve, offsetsMs, PEOPLE)),
      ...(polls === COMPARED_COUNT && atMost !== null && { atMost, isOver: after50.mean > atMost }),
    }
  })
}

function planOf(curve, polls) {
  return planFamily(curve, { ...WISHES, max: polls })[polls - 1].offsetsMs
}

function widthOf(shares, offsetsMs) {
  return widthOn(
    shares,
    offsetsMs.map((ms) => ms / MINUTE_MS),
  )
}

/** What each seed has learned from so many tasks at mixed times, polled by the plans that the product would have chosen then. */
function learnedLaws(world, tasks) {
  const key = `${world.name} ${tasks}`
  if (!laws.has(key))
    laws.set(
      key,
      Array.from({ length: seeds }, (_, seed) => learnFrom(world, tasks, seed + 1)),
    )
  return laws.get(key)
}

function learnFrom(world, count, seed) {
  const random = createRandom(seed * 100)
  const tasks = []
  let law = PRIOR_LAW
  for (const sentAt of mixedSendTimes(count, random)) {
    if (tasks.length > 0 && tasks.length % LEARN_EVERY === 0) law = learnLaw(tasks, { prior: PRIOR_LAW, calendar })
    const offsets = planOf(curveOf(law, sentAt, calendar), COMPARED_COUNT).map((ms) => ms / MINUTE_MS)
    tasks.push(observe(sentAt, drawReads(world, sentAt, PEOPLE, random), offsets))
  }
  return learnLaw(tasks, { prior: PRIOR_LAW, calendar })
}

function summary(values) {
  return { mean: values.reduce((sum, value) => sum + value, 0) / values.length, largest: Math.max(...values) }
}

function print(measured) {
  const columns = ['', 'polls', 'growing', '÷ optimum', 'prior', '20 tasks', '50 tasks', 'known law', 'calls', 'at most', '']
  const widths = [14, 6, 9, 10, 7, 14, 14, 10, 14, 9, 6]
  const line = (cells) =>
    console.log(
      cells
        .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
        .join('')
        .trimEnd(),
    )
  line(columns)
  for (const row of measured) {
    const both = ({ mean, largest }) => `${mean.toFixed(2)} (${largest.toFixed(2)})`
    line([
      ...[
        row.name,
        String(row.polls),
        row.growing.toFixed(1),
        row.optimum.toFixed(2),
        row.prior.toFixed(2),
        both(row.after20),
        both(row.after50),
      ],
      ...[row.known.toFixed(2), row.calls.map((calls) => calls.toFixed(1)).join(' / '), row.atMost?.toFixed(2) ?? ''],
      row.atMost === undefined ? '' : row.isOver ? 'over' : 'ok',
    ])
  }
}
