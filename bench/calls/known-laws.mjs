/**
 * Measures the plans for known read curves: the mean bracket ÷ the exact optimum on a grid of 15 s, without and with report ages, and the time that
 * all plans of up to 64 polls take. Needs `npm run build`.
 *
 *   node bench/calls/known-laws.mjs [--random 40] [--seed 1]
 *
 * `--random` adds densities of random bins, edges and heights. No figure fails the command.
 */
import { optimumWidthMs } from '../../dist/domain/schedule/compare.js'
import { curveOfDensity } from '../../dist/domain/schedule/curve.js'
import { coveredAges, planFamily } from '../../dist/domain/schedule/plan-family.js'
import { readOptions } from '../support/bench.mjs'

const MINUTE_MS = 60_000
const POLLS = [8, 16, 24, 48]
const FINAL_MS = 1_431.5 * MINUTE_MS
const AGES = [60 * MINUTE_MS, 240 * MINUTE_MS]
const PLAIN = { finalOffsetMs: FINAL_MS, maxGapMs: { ms: 360 * MINUTE_MS, isHard: false }, forcedAges: [] }
const WITH_AGES = { ...PLAIN, forcedAges: AGES }

const options = readOptions({ random: 40, seed: 1 })

main()

function main() {
  const laws = { ...knownLaws(), ...drawLaws(options.random, options.seed) }
  // The first plans are made by code that is not compiled yet.
  for (let i = 0; i < 30; i++) planFamily(laws.natural, WITH_AGES)
  const rows = Object.entries(laws).map(([name, curve]) => measure(name, curve))
  console.log('Mean bracket ÷ optimum. * report ages (1 h, 4 h) that the plan shows. ms: a family of 64 plans, without and with ages.\n')
  console.log(['law'.padEnd(26), ...POLLS.map((polls) => `N=${polls} (min)  plain  ages  `.padEnd(30)), 'ms'].join(' | '))
  for (const row of rows.slice(0, rows.length - options.random)) console.log(row.text)
  for (const kind of ['plain', 'ages']) {
    const ratios = rows.flatMap((row) => row.ratios.map((each) => each[kind]))
    console.log(`\n${kind}: worst ${Math.max(...ratios).toFixed(4)}, mean ${mean(ratios).toFixed(4)} of ${ratios.length} (law, N)`)
  }
  const times = rows.map(({ ms }) => ms)
  console.log(`\nfamily with ages: mean ${mean(times).toFixed(1)} ms, longest ${Math.max(...times).toFixed(1)} ms of CPU`)
}

function measure(name, curve) {
  const plain = planFamily(curve, PLAIN)
  const ages = planFamily(curve, WITH_AGES)
  const ratios = POLLS.map((polls) => {
    const optimumMs = optimumWidthMs(curve, FINAL_MS, polls)
    const covered = coveredAges(ages[polls - 1], AGES).length
    return { optimumMs, plain: plain[polls - 1].widthMs / optimumMs, ages: ages[polls - 1].widthMs / optimumMs, covered }
  })
  const cells = ratios.map((each) => {
    const minutes = (each.optimumMs / MINUTE_MS).toFixed(2).padStart(10)
    return `${minutes}  ${each.plain.toFixed(4)} ${each.ages.toFixed(4)}${'*'.repeat(each.covered)}`.padEnd(30)
  })
  const ms = leastCpuMs(() => planFamily(curve, WITH_AGES))
  const plainMs = leastCpuMs(() => planFamily(curve, PLAIN))
  return { ratios, ms, text: [name.padEnd(26), ...cells, `${plainMs.toFixed(1)} ${ms.toFixed(1)}`].join(' | ') }
}

/** The least of ten runs: what other processes take is not in it. */
function leastCpuMs(run) {
  const times = Array.from({ length: 10 }, () => {
    const before = process.cpuUsage()
    run()
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1_000
  })
  return Math.min(...times)
}

function mean(values) {
  return values.reduce((sum, each) => sum + each, 0) / values.length
}

function density(edges, values) {
  return curveOfDensity({ edgesMs: edges.map((edge) => edge * MINUTE_MS), density: values, readShare: 0.85 })
}

function smooth(densityAt) {
  const edges = Array.from({ length: 1_441 }, (_, i) => i)
  return density(
    edges,
    edges.slice(1).map((edge) => densityAt(edge - 0.5)),
  )
}

function knownLaws() {
  const hump = (minute, middle, width) => Math.exp(-(((minute - middle) / width) ** 2))
  return {
    uniform: density([0, 1_440], [1]),
    spike: density([0, 600, 610, 1_440], [1, 100, 1]),
    'spike of 9 s': density([0, 600.05, 600.2, 1_440], [0, 1, 0]),
    'spike of 9 s among others': density([0, 333.33, 333.48, 1_440], [1, 8_000, 1]),
    'five spikes': density([0, 100, 100.3, 300, 300.3, 700, 700.5, 900, 900.2, 1_440], [0.1, 1e3, 0.1, 1e3, 0.1, 1e3, 0.1, 1e3, 0.1]),
    'two humps': smooth((minute) => hump(minute, 60, 20) + hump(minute, 900, 40)),
    'step up': density([0, 480, 1_440], [0, 1]),
    'step down': density([0, 60, 1_440], [10, 1]),
    'heavy tail': smooth((minute) => (1 + minute / 3) ** -1.5),
    'half-life 3 min': smooth((minute) => 2 ** (-minute / 3)),
    natural: smooth((minute) => Math.exp(-(Math.log(minute / 60) ** 2) / 4.5) / minute),
    'first two minutes': density([0, 2, 1_440], [1, 0]),
    'last hour': density([0, 1_380, 1_440], [0, 1]),
    'last half minute': density([0, 1_431, 1_440], [0, 1]),
    'after the final poll': density([0, 1_432, 1_440], [1e-12, 1]),
    'empty stretch': density([0, 30, 600, 1_440], [2, 0, 1]),
    nobody: density([0, 1_440], [0]),
  }
}

/** Up to 40 bins whose edges are denser early, a third of them empty, the others up to some hundred times as high as each other. */
function drawLaws(count, seed) {
  const chance = createChance(seed)
  const laws = Array.from({ length: count }, (_, i) => {
    const inner = Array.from({ length: 1 + Math.floor(chance() * 39) }, () => 1_440 * chance() ** 2)
    const edges = [0, ...inner.sort((a, b) => a - b), 1_440]
    const power = 1 + Math.floor(chance() * 4)
    return [
      `random ${i + 1}`,
      density(
        edges,
        edges.slice(1).map(() => (chance() < 0.33 ? 0 : (-Math.log(1 - chance())) ** power)),
      ),
    ]
  })
  return Object.fromEntries(laws)
}

function createChance(seed) {
  let state = seed
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
}
