/**
 * Simulated populations: no public data on when people read work notifications exists. A person belongs to a group. A group has an attention clock
 * (how fast a minute runs at each hour of each day of the week) and a distribution of the attention minutes until the read. The minutes of all
 * recipients of a campaign are multiplied by exp(Z), Z normal with a standard deviation of 0.5. 15 % never read.
 *
 * The learner was tuned on {@link TUNING} only; {@link HELD_OUT} are for its acceptance. The worlds marked `form: false` cannot be written as one
 * attention clock of hours and kinds of day.
 */

const DAY = 1_440
/** Minutes from the send to the final poll in every figure. */
export const FINAL_MINUTES = 1_431.5
/** Seconds between two points of a true curve. */
const GRID_SECONDS = 15
export const GRID_MINUTES = GRID_SECONDS / 60
const NEVER_SHARE = 0.15
const CAMPAIGN_SPREAD = 0.5

/** UTC, free on Saturdays and Sundays. */
export const calendar = {
  localAt: (at) => at.getTime(),
  isFreeDay: (day) => weekdayOf(day) === 0 || weekdayOf(day) === 6,
}

/** 0 is Sunday. 1970-01-01 was a Thursday. */
const weekdayOf = (day) => (day + 4) % 7

/** The send times of the acceptance: in the week of 2026-11-02, a Monday. */
export const SEND_TIMES = {
  'Tue 10:00': new Date('2026-11-03T10:00:00Z'),
  'Tue 16:30': new Date('2026-11-03T16:30:00Z'),
  'Tue 20:00': new Date('2026-11-03T20:00:00Z'),
  'Tue 01:00': new Date('2026-11-03T01:00:00Z'),
  'Fri 17:00': new Date('2026-11-06T17:00:00Z'),
  'Sat 10:00': new Date('2026-11-07T10:00:00Z'),
}

/** @param {number} seed @returns {() => number} uniform numbers in (0, 1) (mulberry32) */
export function createRandom(seed) {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (((mixed ^ (mixed >>> 14)) >>> 0) + 0.5) / 4_294_967_296
  }
}

/** @param {() => number} random */
function normal(random) {
  return Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random())
}

/** The normal distribution function (Abramowitz and Stegun 26.2.17, error below 1e-7). */
function normalShare(z) {
  const t = 1 / (1 + 0.2316419 * Math.abs(z))
  const tail =
    Math.exp((-z * z) / 2) *
    0.3989422804014327 *
    t *
    (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
  return z > 0 ? 1 - tail : tail
}

/**
 * Distributions of attention minutes: the share below `x`, and a draw.
 * @type {Record<string, (a: number, b: number) => { share: (x: number) => number, draw: (random: () => number) => number }>}
 */
const DISTRIBUTIONS = {
  /** Median, spread of the logarithm. */
  logNormal: (median, spread) => ({
    share: (x) => (x <= 0 ? 0 : normalShare(Math.log(x / median) / spread)),
    draw: (random) => median * Math.exp(spread * normal(random)),
  }),
  /** Scale, shape. */
  weibull: (scale, shape) => ({
    share: (x) => (x <= 0 ? 0 : 1 - Math.exp(-((x / scale) ** shape))),
    draw: (random) => scale * (-Math.log(random())) ** (1 / shape),
  }),
  /** Median, shape: heavier tails than the log-normal one. */
  logLogistic: (median, shape) => ({
    share: (x) => (x <= 0 ? 0 : 1 / (1 + (x / median) ** -shape)),
    draw: (random) => {
      const u = random()
      return median * (u / (1 - u)) ** (1 / shape)
    },
  }),
  uniform: (from, to) => ({
    share: (x) => Math.min(1, Math.max(0, (x - from) / (to - from))),
    draw: (random) => from + (to - from) * random(),
  }),
}

/** Part of a group: its weight, and how long its people take. */
export const part = (weight, name, a, b) => ({ weight, ...DISTRIBUTIONS[name](a, b) })
const fast = (median, slowMedian, fastShare = 0.55, spread = 1.1) => [
  part(fastShare, 'logNormal', median, spread),
  part(1 - fastShare, 'logNormal', slowMedian, 1),
]

/** 24 weights of a day: hours are given as `{ from: weight }`, each until the next one. */
export function hoursOfDay(steps) {
  let weight = 0
  return Array.from({ length: 24 }, (_, hour) => (weight = steps[hour] ?? weight))
}

const OFFICE_DAY = hoursOfDay({ 0: 0.01, 7: 0.25, 8: 0.7, 9: 1.2, 12: 0.6, 14: 1.1, 18: 0.6, 20: 0.4, 22: 0.2, 23: 0.06 })
const OFFICE_FREE = hoursOfDay({ 0: 0.01, 8: 0.12, 10: 0.25, 22: 0.12, 23: 0.03 })
const EVENING_DAY = hoursOfDay({ 0: 0.25, 1: 0.05, 7: 0.5, 9: 0.35, 12: 0.9, 14: 0.35, 18: 1.1, 20: 1.6, 23: 0.8 })
const EVENING_FREE = hoursOfDay({ 0: 0.5, 2: 0.05, 9: 0.5, 12: 1, 20: 1.5, 23: 0.9 })
const NIGHT_DAY = hoursOfDay({ 0: 1, 5: 0.8, 7: 0.4, 9: 0.03, 15: 0.2, 18: 0.5, 21: 1.1 })
const FACTORY_DAY = hoursOfDay({
  0: 0.01,
  6: 0.8,
  8: 0.12,
  10: 1.6,
  11: 0.12,
  12: 1.8,
  13: 0.12,
  15: 1.4,
  16: 0.12,
  17: 1.5,
  19: 0.6,
  22: 0.05,
})
const FACTORY_FREE = hoursOfDay({ 0: 0.01, 8: 0.3, 22: 0.05 })
const EARLY_DAY = hoursOfDay({ 0: 0.02, 5: 0.9, 7: 1.4, 11: 0.8, 13: 0.5, 16: 0.3, 19: 0.15, 21: 0.02 })
const FLAT_DAY = hoursOfDay({ 0: 0.5, 7: 1 })
const SCHOOL_DAY = hoursOfDay({
  0: 0.02,
  6: 0.6,
  8: 0.08,
  9: 1.3,
  10: 0.08,
  12: 1.5,
  13: 0.1,
  15: 1.2,
  17: 0.8,
  21: 1.6,
  22: 0.3,
  23: 0.05,
})
const SCHOOL_FREE = hoursOfDay({ 0: 0.05, 9: 0.5, 12: 0.7, 18: 0.4, 22: 0.2 })

/** @returns a group of people in which the hour and the kind of day decide */
export function group(share, parts, work, free = work, freeFactor = 1) {
  return { share, parts, attentionAt: (weekday, hour) => (weekday === 0 || weekday === 6 ? free[hour] * freeFactor : work[hour]) }
}

export const TUNING = [
  { name: 'office', form: true, groups: [group(1, fast(18, 200), OFFICE_DAY, OFFICE_FREE)] },
  { name: 'slow office', form: true, groups: [group(1, fast(70, 420, 0.4), OFFICE_DAY, OFFICE_FREE)] },
  { name: 'night shift', form: true, groups: [group(1, fast(15, 150), NIGHT_DAY, NIGHT_DAY, 0.6)] },
  { name: 'evening', form: true, groups: [group(1, fast(25, 180), EVENING_DAY, EVENING_FREE)] },
  { name: 'very fast', form: true, groups: [group(1, fast(3, 40, 0.7), FLAT_DAY, FLAT_DAY, 0.8)] },
  {
    name: 'office and shifts',
    form: false,
    groups: [group(0.6, fast(15, 180), OFFICE_DAY, OFFICE_FREE), group(0.4, fast(15, 120), NIGHT_DAY)],
  },
  { name: 'school', form: true, groups: [group(1, fast(12, 140), SCHOOL_DAY, SCHOOL_FREE)] },
  {
    name: 'all within two hours at night',
    form: true,
    groups: [group(1, [part(0.6, 'uniform', 0, 30), part(0.4, 'uniform', 30, 200)], NIGHT_DAY, NIGHT_DAY, 0.7)],
  },
]

export const HELD_OUT = [
  { name: 'factory', form: true, groups: [group(1, fast(14, 110, 0.6, 0.9), FACTORY_DAY, FACTORY_FREE)] },
  { name: 'early birds', form: true, groups: [group(1, fast(30, 240), EARLY_DAY, EARLY_DAY, 0.5)] },
  { name: 'Weibull, around the clock', form: false, groups: [group(1, [part(1, 'weibull', 260, 0.7)], hoursOfDay({ 0: 1 }))] },
  {
    name: 'log-logistic office',
    form: true,
    groups: [group(1, [part(1, 'logLogistic', 45, 1.1)], hoursOfDay({ 0: 0.02, 8: 1, 12: 0.5, 13: 1, 18: 0.25, 23: 0.02 }), OFFICE_FREE)],
  },
  { name: 'fast evening', form: true, groups: [group(1, fast(6, 70, 0.65), EVENING_DAY, EVENING_FREE)] },
  {
    name: 'three shifts',
    form: false,
    groups: [0, 8, 16].map((start) =>
      group(
        1 / 3,
        fast(12, 90),
        Array.from({ length: 24 }, (_, hour) => ((hour - start + 24) % 24 < 8 ? 1.2 : (hour - start + 24) % 24 < 16 ? 0.4 : 0.02)),
      ),
    ),
  },
  {
    name: 'Saturdays worked, Fridays short',
    form: false,
    groups: [
      {
        share: 1,
        parts: fast(20, 160),
        attentionAt: (weekday, hour) =>
          weekday === 0 ? OFFICE_FREE[hour] * 0.4 : weekday === 5 && hour >= 15 ? 0.15 : OFFICE_DAY[hour] * (weekday === 6 ? 0.7 : 1),
      },
    ],
  },
  { name: 'uniform hours', form: true, groups: [group(1, [part(0.5, 'uniform', 0, 60), part(0.5, 'uniform', 60, 500)], OFFICE_DAY)] },
]

/** Attention since the send at each point of the grid of one group. */
function attentionCurve({ attentionAt }, sentMs, points) {
  const sent = sentMs / 60_000
  const curve = new Float64Array(points)
  for (let i = 1; i < points; i++) {
    const minute = sent + (i - 0.5) * GRID_MINUTES
    const at = Math.floor(minute / DAY)
    curve[i] = curve[i - 1] + attentionAt(weekdayOf(at), Math.floor((minute - at * DAY) / 60)) * GRID_MINUTES
  }
  return curve
}

/** 41 values of equal weight of a normal variable. */
const SPEEDS = Array.from({ length: 41 }, (_, i) => Math.exp(CAMPAIGN_SPREAD * quantile((i + 0.5) / 41)))

/** The normal quantile, by bisection. */
function quantile(share) {
  let [low, high] = [-8, 8]
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2
    if (normalShare(middle) < share) low = middle
    else high = middle
  }
  return (low + high) / 2
}

/** The share that has read by each point of the grid (15 s), the last one at {@link FINAL_MINUTES}. */
export function trueShares(world, sentAt) {
  const points = Math.round(FINAL_MINUTES / GRID_MINUTES) + 1
  const shares = new Float64Array(points)
  for (const { share, parts, ...clock } of world.groups) {
    const attention = attentionCurve(clock, calendar.localAt(sentAt), points)
    const weight = (share * (1 - NEVER_SHARE)) / SPEEDS.length
    for (const each of parts) {
      for (const speed of SPEEDS) attention.forEach((minutes, i) => (shares[i] += weight * each.weight * each.share(minutes / speed)))
    }
  }
  return shares
}

/**
 * Minutes from the send to the read of each recipient of a task that is its own campaign; Infinity for those who have not read by the final poll.
 * @param {() => number} random
 */
export function drawReads(world, sentAt, people, random) {
  const points = Math.round(FINAL_MINUTES / GRID_MINUTES) + 1
  const speed = Math.exp(CAMPAIGN_SPREAD * normal(random))
  const curves = world.groups.map((each) => attentionCurve(each, calendar.localAt(sentAt), points))
  return Array.from({ length: people }, () => {
    if (random() < NEVER_SHARE) return Infinity
    const index = pick(world.groups, (each) => each.share, random)
    const { parts } = world.groups[index]
    return minuteOf(curves[index], parts[pick(parts, (each) => each.weight, random)].draw(random) * speed)
  })
}

function pick(items, weightOf, random) {
  let left = random()
  for (let i = 0; i < items.length - 1; i++) {
    left -= weightOf(items[i])
    if (left < 0) return i
  }
  return items.length - 1
}

/** When a curve of attention reaches a value. */
function minuteOf(curve, attention) {
  if (attention >= curve[curve.length - 1]) return Infinity
  let [low, high] = [0, curve.length - 1]
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (curve[middle] <= attention) low = middle
    else high = middle
  }
  return (low + (attention - curve[low]) / (curve[high] - curve[low])) * GRID_MINUTES
}

/** What polls at these offsets would have stored. @returns {import('../../src/domain/schedule/types.js').ObservedTask} */
export function observe(sentAt, reads, offsetsMinutes) {
  let before = 0
  const polls = offsetsMinutes.map((offset) => {
    const read = reads.filter((minute) => minute <= offset).length
    const newReads = read - before
    before = read
    return { offsetMs: Math.round(offset * 60_000), newReads }
  })
  // A task ends early once all have read.
  const done = polls.findIndex((_, i) => polls.slice(0, i + 1).reduce((sum, poll) => sum + poll.newReads, 0) === reads.length)
  return { sentAt, people: reads.length, polls: done < 0 ? polls : polls.slice(0, done + 1) }
}

/** Random send times in the weeks before that of {@link SEND_TIMES}: three in five in office hours, the others in the evening, at night and on weekends. */
export function mixedSendTimes(count, random) {
  const monday = Date.UTC(2026, 8, 7)
  const times = Array.from({ length: count }, () => {
    const week = Math.floor(random() * 8)
    const kind = random()
    const workDay = Math.floor(random() * 5)
    if (kind < 0.6) return momentOf(week, workDay, 8 + random() * 10)
    if (kind < 0.75) return momentOf(week, workDay, 18 + random() * 5)
    if (kind < 0.85) return momentOf(week, workDay, random() * 7)
    return momentOf(week, 5 + Math.floor(random() * 2), 8 + random() * 14)
  })
  return times.sort((a, b) => a.getTime() - b.getTime())

  function momentOf(week, weekday, hour) {
    return new Date(monday + ((week * 7 + weekday) * 24 + hour) * 3_600_000)
  }
}

/** The mean bracket in minutes of those who read, on true shares. @param offsetsMinutes ascending, the last one {@link FINAL_MINUTES} */
export function widthOn(shares, offsetsMinutes) {
  let [sum, before, shareBefore] = [0, 0, 0]
  for (const offset of offsetsMinutes) {
    const place = Math.min(offset / GRID_MINUTES, shares.length - 1)
    const index = Math.min(Math.floor(place), shares.length - 2)
    const share = shares[index] + (shares[index + 1] - shares[index]) * (place - index)
    sum += (offset - before) * (share - shareBefore)
    before = offset
    shareBefore = share
  }
  return sum / shareBefore
}
