/** Months of tasks: when they are sent, to how many people, and when those read. All times are epoch milliseconds of local time. */
import { calendar, createRandom, drawReads } from '../worlds.mjs'

const HOUR_MS = 3_600_000
export const DAY_MS = 24 * HOUR_MS

/** How likely a task is sent in each hour of a day. */
const HOURS = [1, 1, 1, 1, 1, 1, 2, 8, 40, 120, 130, 110, 40, 70, 110, 110, 100, 90, 50, 30, 20, 10, 4, 2]
const isFree = (ms) => calendar.isFreeDay(Math.floor(ms / DAY_MS))
/** A day off has this part of the tasks of a work day. */
const workDays = (ms) => (isFree(ms) ? 0.15 : 1)

/** Relative number of tasks by the day of the month; negative days are those before it. */
const SHAPES = {
  steady: (_, ms) => workDays(ms),
  'first week': (day, ms) => (mod(day, 30) < 7 ? workDays(ms) : workDays(ms) / 100),
  'last days': (day, ms) => (mod(day, 30) >= 24 ? workDays(ms) : workDays(ms) / 100),
  growing: (day, ms) => (day + 45) * workDays(ms),
  'quiet weeks': (day, ms) => (mod(day, 30) >= 8 && mod(day, 30) < 19 ? workDays(ms) / 50 : workDays(ms)),
  'end after quiet months': (day, ms) => (day >= 24 ? workDays(ms) : workDays(ms) / 100),
}
const mod = (a, b) => ((a % b) + b) % b

/** 40 % one person, 20 % each 10, 50 and 100. */
function mixedSize(random) {
  return [1, 1, 10, 50, 100][Math.floor(random() * 5)]
}

/**
 * @param {{ world: object, seed: number, tasks: number, startMs?: number, days?: number, shape?: string, burst?: number, history?: boolean,
 *   size?: (random: () => number) => number, sendAt?: number | null }} options `burst` tasks are sent in the same minute, each to 100 people; `history`: the 28 days before
 *   had tasks at the same rate; `sendAt`: all tasks are sent at this time
 */
export function drawMonth({
  world,
  seed,
  tasks,
  startMs = Date.UTC(2026, 11, 1),
  days = 30,
  shape = 'steady',
  burst = 1,
  history = true,
  size = mixedSize,
  sendAt = null,
}) {
  const random = createRandom(seed * 7_919 + 13)
  const weightOf = (day) => SHAPES[shape](day, startMs + day * DAY_MS)
  const total = sum(0, days, weightOf)
  const before = history ? Math.round((tasks * sum(-28, 0, weightOf)) / total) : 0
  const past = drawTimes(random, { count: before, from: -28, to: 0, weightOf, burst, startMs }).map((at) => ({
    at,
    people: burst > 1 ? 100 : size(random),
  }))
  const drawn = []
  const times = drawTimes(random, { count: tasks, from: 0, to: days, weightOf, burst, startMs })
  for (let i = 0; i < times.length; i += burst) {
    const group = sendAt === null ? times.slice(i, i + burst) : [sendAt]
    const people = burst > 1 ? 100 : size(random)
    // One campaign: all of its people have the same speed.
    const reads = drawReads(world, new Date(group[0]), people * group.length, random)
    group.forEach((at, j) => drawn.push({ at, people, reads: reads.slice(j * people, (j + 1) * people).sort((a, b) => a - b) }))
  }
  return { world, tasks: drawn, history: past, startMs, endMs: startMs + days * DAY_MS }
}

function drawTimes(random, { count, from, to, weightOf, burst, startMs }) {
  const times = []
  const total = sum(from, to, weightOf)
  while (times.length < count) {
    let left = random() * total
    let day = from
    while (day < to - 1 && left >= weightOf(day)) left -= weightOf(day++)
    let hour = 0
    left = random() * HOURS.reduce((a, b) => a + b)
    while (left >= HOURS[hour]) left -= HOURS[hour++]
    const at = startMs + day * DAY_MS + hour * HOUR_MS + Math.floor(random() * 60) * 60_000
    for (let i = 0; i < burst && times.length < count; i++) times.push(at)
  }
  return times.sort((a, b) => a - b)
}

function sum(from, to, weightOf) {
  let total = 0
  for (let day = from; day < to; day++) total += weightOf(day)
  return total
}
