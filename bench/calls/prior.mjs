/**
 * Prints the law without data, `PRIOR_LAW` of src/domain/schedule/prior.ts. Needs `npm run build`.
 *
 *   node bench/calls/prior.mjs
 *
 * It is the law of the one form `1 − exp(−H(A(t)))` that is nearest to a mixture of five guesses, three quarters with the hours of people who work
 * in the day and a quarter without hours. It is found by the learner itself, from the exact read curves of 84 send times in a week.
 */
import { curveOf } from '../../dist/domain/schedule/curve.js'
import { learnLaw } from '../../dist/domain/schedule/learn.js'
import { calendar, GRID_MINUTES, group, hoursOfDay, part, trueShares } from './worlds.mjs'

const WORK = hoursOfDay({ 0: 0.1, 1: 0.04, 6: 0.15, 7: 0.45, 8: 0.8, 9: 1.1, 12: 0.8, 14: 1, 18: 0.8, 19: 0.7, 22: 0.4, 23: 0.2 })
const FREE = hoursOfDay({ 0: 0.1, 1: 0.04, 7: 0.15, 9: 0.4, 22: 0.3, 23: 0.15 })
const EVENING = hoursOfDay({ 0: 0.4, 1: 0.1, 7: 0.4, 9: 0.5, 12: 0.9, 14: 0.5, 18: 1.1, 20: 1.4, 23: 0.8 })
const FLAT = hoursOfDay({ 0: 1 })

/** Spreads are wide, for neither the speed nor its differences are known. */
const parts = (share, median, spread, slowMedian, slowSpread) => [
  part(share, 'logNormal', median, spread),
  part(1 - share, 'logNormal', slowMedian, slowSpread),
]
const MIXTURE = {
  groups: [
    group(0.28, parts(0.55, 20, 1.8, 200, 1.5), WORK, FREE),
    group(0.35, parts(0.45, 60, 1.6, 400, 1.3), WORK, FREE),
    group(0.1, parts(0.55, 20, 1.8, 200, 1.5), EVENING),
    group(0.12, parts(0.55, 20, 1.5, 250, 1.4), FLAT),
    group(0.15, parts(0.7, 5, 1.5, 60, 1.4), FLAT),
  ],
}

const BINS = 24
const [FIRST_EDGE, LAST_EDGE] = [1, 2_400]
const EDGES = [
  0,
  ...Array.from({ length: BINS }, (_, i) => Number((FIRST_EDGE * (LAST_EDGE / FIRST_EDGE) ** (i / (BINS - 1))).toPrecision(4))),
]

/** What the learner starts from: no hours, and a hazard that falls. */
const START = {
  attention: { work: Array(24).fill(1), free: Array(24).fill(1) },
  hazard: { edges: EDGES, values: EDGES.map((edge) => 1.9 * (1 - Math.exp(-edge / 300)) + edge / 100_000) },
}

/** Minutes; near each other at first, then every 6 minutes. */
const OFFSETS = [0.5]
while (OFFSETS.at(-1) < 1_420) OFFSETS.push(OFFSETS.at(-1) + Math.max(0.5, Math.min(6, OFFSETS.at(-1) / 10)))

const SENDS = 84
/** Sends of one part of the week do not follow each other, for the newest tasks count most. */
const STRIDE = 37
const REPEATS = 4

const week = Array.from({ length: SENDS }, (_, i) => taskAt(Math.floor(i / 12), (i % 12) * 2))
const tasks = Array.from({ length: SENDS * REPEATS }, (_, i) => week[(i * STRIDE) % SENDS])
const round = (values) => values.map((value) => Number(value.toPrecision(3)))
const { attention, hazard } = learnLaw(tasks, { prior: START, calendar })
const law = {
  attention: { work: round(attention.work), free: round(attention.free) },
  hazard: { edges: hazard.edges, values: hazard.values.map((value) => Number(value.toPrecision(4))) },
}
console.log(JSON.stringify(law, null, 2))
const last = curveOf(law, week[17].sentAt, calendar).shares.at(-1)
console.error(`read 24 h after Tuesday 10:00: ${Math.round(100 * last)} %`)

/** More messages are sent in office hours: those tasks count more. */
function taskAt(weekday, hour) {
  const sentAt = new Date(Date.UTC(2026, 10, 2 + weekday, hour, (hour * 7 + weekday * 13) % 60))
  const people = weekday < 5 && hour >= 8 && hour < 18 ? 2_000 : 800
  const shares = trueShares(MIXTURE, sentAt)
  let before = 0
  const polls = OFFSETS.map((offset) => {
    const share = shares[Math.round(offset / GRID_MINUTES)]
    const newReads = people * (share - before)
    before = share
    return { offsetMs: offset * 60_000, newReads }
  })
  return { sentAt, people, polls }
}
