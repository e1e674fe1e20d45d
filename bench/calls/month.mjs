/**
 * A month of calls, simulated in memory on the product's own functions. Needs `npm run build`.
 *
 *   node bench/calls/month.mjs [--seeds 6] [--table cold|price|equal|growing|all] [--only TEXT] [--ages]
 *
 * Populations are simulated (worlds.mjs): no real read times of DingTalk are available. The mean bracket is over readers; one whom no poll covered
 * counts 1,440 minutes. Fails when a month makes a call too many, or leaves a task without a poll.
 */
import { learnLaw } from '../../dist/domain/schedule/learn.js'
import { PRIOR_LAW } from '../../dist/domain/schedule/prior.js'
import { readOptions } from '../support/bench.mjs'
import { drawMonth } from './month/draw.mjs'
import { createUnlimited, simulateMonth } from './month/simulate.mjs'
import { atPrice, CEILING, createLearningPlanner, createTruePlanner, equalPolls, growingPolls, onlinePrice } from './month/strategies.mjs'
import { calendar, HELD_OUT, SEND_TIMES, TUNING } from './worlds.mjs'

const options = readOptions({ seeds: 6, table: 'all', only: '', ages: false })
const SEEDS = Array.from({ length: options.seeds }, (_, i) => i + 1)
const HOUR_MS = 3_600_000
const AGES = options.ages ? [HOUR_MS, 4 * HOUR_MS] : []
const WORLDS = new Map([...TUNING, ...HELD_OUT].map((world) => [world.name, world]))
const planners = new Map()

function plannerOf(name) {
  const known = planners.get(name)
  if (known !== undefined) return known
  const planner = createTruePlanner(WORLDS.get(name), { ages: AGES })
  planners.set(name, planner)
  return planner
}

const BUDGET = 4_000
/**
 * Limits are those of the acceptance; a month without them is there to show what an unusual one costs.
 * @type {{ name: string, tasks: number, limits?: number[], used?: number, world?: string, budget?: number, seeds?: number, shape?: string, burst?: number,
 *   size?: () => number, startMs?: number, days?: number }[]}
 */
const MONTHS = [
  ...[200, 300, 400].map((tasks) => ({ name: `${tasks} tasks`, tasks, limits: [1.2, 1.35], used: 0.94 })),
  ...['slow office', 'evening', 'night shift', 'factory', 'three shifts'].map((world) => ({
    ...{ name: `300 tasks, ${world}`, tasks: 300, world, limits: [1.2, 1.35], used: 0.94 },
  })),
  { name: 'bursts of 30', tasks: 300, burst: 30, limits: [1.5, 1.65] },
  { name: 'bursts of 60', tasks: 300, burst: 60 },
  { name: 'first week', tasks: 300, shape: 'first week' },
  { name: 'last days', tasks: 300, shape: 'last days' },
  { name: 'growing', tasks: 300, shape: 'growing' },
  { name: 'quiet weeks', tasks: 300, shape: 'quiet weeks' },
  { name: 'end after quiet months', tasks: 300, shape: 'end after quiet months' },
  { name: 'to one person each', tasks: 600, size: () => 1 },
  { name: '1,000 tasks', tasks: 1_000 },
  { name: '3,000 tasks', tasks: 3_000 },
  { name: 'a month of 28 days', tasks: 300, startMs: Date.UTC(2027, 1, 1), days: 28 },
  { name: '60 tasks, 200 calls', tasks: 60, budget: 200 },
  { name: '3,000 tasks, 100,000 calls', tasks: 3_000, budget: 100_000, seeds: 2 },
]

const failures = []

/** The limits of the acceptance, in minutes. */
const COLD_LIMITS = new Map([
  [200, 22],
  [300, 35],
  [400, 46],
])

function coldTable() {
  console.log(`A month that begins without history and with the prior law, which is learned once a day; mean of ${SEEDS.length} months`)
  console.log('world                          tasks  width min  over tasks    used  unserved')
  for (const name of ['office', 'evening', 'factory'].filter((each) => each.includes(options.only))) {
    for (const [tasks, limit] of COLD_LIMITS) {
      const runs = SEEDS.map((seed) => {
        const month = drawMonth({ world: WORLDS.get(name), seed, tasks, history: false })
        const learn = (ended) => (ended.length === 0 ? PRIOR_LAW : learnLaw(ended, { prior: PRIOR_LAW, calendar }))
        return simulateMonth(month, BUDGET, onlinePrice(createLearningPlanner(learn, { ages: AGES }), BUDGET))
      })
      const mean = (valueOf) => runs.reduce((sum, run) => sum + valueOf(run), 0) / runs.length
      const width = mean((run) => run.width)
      const unserved = mean((run) => run.unserved)
      if (name === 'office' && width > limit) failures.push(`${tasks} tasks, cold: mean bracket ${width.toFixed(1)} min, at most ${limit}`)
      if (unserved > 0) failures.push(`${tasks} tasks, cold, ${name}: ${unserved} tasks unserved`)
      console.log(
        name.padEnd(30),
        `${tasks}`.padStart(5),
        width.toFixed(1).padStart(10),
        mean((run) => run.taskWidth)
          .toFixed(1)
          .padStart(11),
        `${((100 * mean((run) => run.used)) / BUDGET).toFixed(1)} %`.padStart(7),
        `${unserved}`.padStart(9),
      )
    }
  }
}

function priceTable() {
  console.log(`The price found as the month goes on ÷ one price chosen in hindsight; true law, mean of ${SEEDS.length} months`)
  console.log('month                          history  width min  ÷ hindsight (worst)  over tasks   used   later  unserved  held back')
  for (const spec of MONTHS.filter(({ name }) => name.includes(options.only))) {
    for (const history of [true, false]) printMonths(spec, history)
  }
}

function printMonths(spec, history) {
  const { name, tasks, limits = null, used = null, world = 'office', budget = BUDGET, seeds = SEEDS.length, ...rest } = spec
  const planner = plannerOf(world)
  const runs = SEEDS.slice(0, seeds).map((seed) => {
    const month = drawMonth({ world: WORLDS.get(world), seed, tasks, history, ...rest })
    const online = simulateMonth(month, budget, onlinePrice(planner, budget))
    const best = hindsight(month, budget, planner)
    if (online.used > budget) failures.push(`${name}, seed ${seed}: ${online.used} calls of ${budget}`)
    return {
      ...online,
      ratio: online.width / best.width,
      taskRatio: online.taskWidth / best.taskWidth,
      atCeiling: online.plans.every((n) => n === CEILING),
    }
  })
  const mean = (valueOf) => runs.reduce((sum, run) => sum + valueOf(run), 0) / runs.length
  const [ratio, share] = [mean((run) => run.ratio), mean((run) => run.used / budget)]
  const unserved = mean((run) => run.unserved)
  const title = `${name}, ${history ? 'with' : 'without'} history`
  if (limits !== null && ratio > limits[history ? 0 : 1]) failures.push(`${title}: ${ratio.toFixed(3)} of the width in hindsight`)
  if (used !== null && share < used && !runs.every((run) => run.atCeiling))
    failures.push(`${title}: only ${(100 * share).toFixed(1)} % used`)
  if (unserved > 0) failures.push(`${title}: ${unserved} tasks unserved`)
  console.log(
    [name.padEnd(30), (history ? 'with' : 'without').padEnd(8)].join(' '),
    mean((run) => run.width)
      .toFixed(1)
      .padStart(9),
    `${ratio.toFixed(2)} (${Math.max(...runs.map((run) => run.ratio)).toFixed(2)})`.padStart(20),
    mean((run) => run.taskRatio)
      .toFixed(2)
      .padStart(11),
    `${(100 * share).toFixed(1)} %`.padStart(8),
    mean((run) => run.later)
      .toFixed(0)
      .padStart(6),
    `${unserved}`.padStart(9),
    mean((run) => run.heldBack)
      .toFixed(0)
      .padStart(10),
  )
}

/** The best single price of a month whose tasks are all known. */
function hindsight(month, budget, planner) {
  const unlimited = createUnlimited(month)
  const run = (price) => unlimited(atPrice(planner, price))
  const free = run(0)
  if (free.used <= budget) return free
  let [low, high, best] = [1e-4, 1e5, null]
  for (let i = 0; i < 22; i++) {
    const middle = Math.sqrt(low * high)
    const tried = run(middle)
    if (tried.used <= budget) [high, best] = [middle, tried]
    else low = middle
  }
  return best ?? run(high)
}

/** The least calls of a strategy whose mean bracket over people is at most a width. @param runAt the month with a parameter that takes more calls as it grows */
function callsForWidth(width, runAt, low, high) {
  let [few, many] = [low, high]
  for (let i = 0; i < 18; i++) {
    const middle = Math.sqrt(few * many)
    if (runAt(middle).width > width) few = middle
    else many = middle
  }
  const [below, above] = [runAt(few), runAt(many)]
  const part = below.width === above.width ? 1 : Math.min(1, Math.max(0, (below.width - width) / (below.width - above.width)))
  return callsOf(below) + (callsOf(above) - callsOf(below)) * part
}

const callsOf = ({ used, later }) => used + later

function equalWidthTable() {
  console.log(`\nCalls for the mean bracket of today's 24 growing gaps, mixed sizes, 300 tasks; true law, mean of ${SEEDS.length} months`)
  console.log("world                          today's calls  width min  equal N ÷ today   price ÷ today")
  for (const name of ['office', 'slow office', 'evening', 'night shift', 'very fast', 'factory', 'three shifts'].filter((each) =>
    each.includes(options.only),
  )) {
    const planner = plannerOf(name)
    const runs = SEEDS.map((seed) => {
      const month = drawMonth({ world: WORLDS.get(name), seed, tasks: 300 })
      const unlimited = createUnlimited(month)
      const today = unlimited(growingPolls(24))
      const equal = callsForEqual(unlimited, planner, today.width)
      const priced = callsForWidth(today.width, (cheapness) => unlimited(atPrice(planner, 1 / cheapness)), 1e-4, 1e4)
      return { today, equal: equal / callsOf(today), priced: priced / callsOf(today) }
    })
    const mean = (valueOf) => runs.reduce((sum, run) => sum + valueOf(run), 0) / runs.length
    console.log(
      name.padEnd(30),
      mean(({ today }) => callsOf(today))
        .toFixed(0)
        .padStart(13),
      mean(({ today }) => today.width)
        .toFixed(1)
        .padStart(10),
      mean(({ equal }) => equal)
        .toFixed(3)
        .padStart(16),
      mean(({ priced }) => priced)
        .toFixed(3)
        .padStart(15),
    )
  }
}

/** Between two numbers of polls the calls are interpolated. */
function callsForEqual(unlimited, planner, width) {
  let before = null
  for (let polls = 1; polls <= CEILING; polls++) {
    const run = unlimited(equalPolls(planner, polls))
    if (run.width <= width) {
      if (before === null) return callsOf(run)
      return callsOf(before) + ((callsOf(run) - callsOf(before)) * (before.width - width)) / (before.width - run.width)
    }
    before = run
  }
  return Number.NaN
}

function growingTable() {
  console.log(`\nMean bracket ÷ that of today's 24 growing gaps at equal calls made, 400 tasks at each send time; true law of the office`)
  console.log('sent at        people    ÷ today')
  const planner = plannerOf('office')
  for (const [sentAt, date] of Object.entries(SEND_TIMES)) {
    for (const people of [1, 50]) {
      const month = drawMonth({
        world: WORLDS.get('office'),
        seed: 1,
        tasks: 400,
        history: false,
        size: () => people,
        sendAt: date.getTime(),
      })
      const unlimited = createUnlimited(month)
      const today = unlimited(growingPolls(24))
      const calls = callsOf(today)
      let [before, run, polls] = [null, null, 0]
      do {
        before = run
        run = unlimited(equalPolls(planner, ++polls))
      } while (callsOf(run) < calls && polls < CEILING)
      const part = (calls - callsOf(before)) / (callsOf(run) - callsOf(before))
      const width = before.width + (run.width - before.width) * part
      console.log(sentAt.padEnd(14), `${people}`.padStart(6), (width / today.width).toFixed(3).padStart(10))
    }
  }
}

if (['cold', 'all'].includes(options.table)) coldTable()
if (['price', 'all'].includes(options.table)) priceTable()
if (['equal', 'all'].includes(options.table)) equalWidthTable()
if (['growing', 'all'].includes(options.table)) growingTable()
for (const failure of failures) console.error(`FAILED: ${failure}`)
if (failures.length > 0) process.exitCode = 1
