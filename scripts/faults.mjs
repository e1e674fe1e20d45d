// The fault suite in its long form: every scenario, those of F1, F4, F5, F9, F15 and F20 with many seeds, and then the controls, which show
// that the tests can fail. Writes the table of docs/faults.md from what it measured.
//   npm run test:faults [-- --seeds 20] [--no-controls] [--table FILE]   (--table: write the table from this report and run nothing)
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const DOCUMENT = join(import.meta.dirname, '..', 'docs', 'faults.md')
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '20' },
    controls: { type: 'boolean', default: true },
    table: { type: 'string' },
  },
  allowNegative: true,
})

if (values.table !== undefined) writeTable(values.table)
else process.exitCode = run()

function run() {
  const folder = mkdtempSync(join(tmpdir(), 'faults-'))
  const report = join(folder, 'report.jsonl')
  const env = { ...process.env, FAULT_SEEDS: values.seeds, FAULT_REPORT: report }
  // One after the other, so that what keeps the machine busy is not in the figures of the rest. The load takes all the cores there are.
  const load = vitest(['--project', 'faults', 'faults/load.test.ts'], env)
  // Starts hundreds of processes.
  const processes = vitest(['--project', 'faults', 'faults/processes.test.ts', 'faults/steps.test.ts'], env)
  const others = vitest(
    ['--project', 'faults', ...['load', 'processes', 'steps'].flatMap((name) => ['--exclude', `**/${name}.test.ts`])],
    env,
  )
  const status = load || processes || others
  // Also after a failure: the table shows what was lost.
  writeTable(report)
  rmSync(folder, { recursive: true, force: true })
  if (status !== 0 || !values.controls) return status
  return vitest(['--config', 'vitest.long.config.ts', 'controls'], process.env)
}

function vitest(args, env) {
  const { status } = spawnSync('npm', ['exec', '--no', '--', 'vitest', 'run', ...args], {
    stdio: 'inherit',
    shell: process.platform === 'win32',
    env,
  })
  return status ?? 1
}

function writeTable(report) {
  const lines = readFileSync(report, 'utf8').trim().split('\n')
  const groups = grouped(lines.map((line) => JSON.parse(line)))
  const rows = [...groups.values()].sort((a, b) => number(a) - number(b) || (keyOf(a[0]) < keyOf(b[0]) ? -1 : 1)).map(rowOf)
  const table = [
    '| fault | nothing is lost when | queue | seeds | tasks | lost | wrong states | polls | extra calls | back after: median, worst |',
    '|---|---|---|--:|--:|--:|--:|--:|--:|--:|',
    ...rows,
  ].join('\n')
  const when = `Measured on ${new Date().toISOString().slice(0, 10)}, Node ${process.version}, ${cpus().length} cores.`
  const begin = '<!-- table: npm run test:faults -->'
  const end = '<!-- end of table -->'
  const text = readFileSync(DOCUMENT, 'utf8')
  const [[before], after] = [text.split(begin), text.split(end).at(-1)]
  writeFileSync(DOCUMENT, `${before}${begin}\n${when}\n\n${table}\n${end}${after}`)
}

function grouped(measured) {
  const groups = new Map()
  for (const one of measured) groups.set(keyOf(one), [...(groups.get(keyOf(one)) ?? []), one])
  return groups
}

function keyOf({ fault, when, backend }) {
  return `${fault} ${when} ${backend}`
}

function number([first]) {
  return Number(first.fault.slice(1))
}

function rowOf(runs) {
  const [{ fault, when, backend }] = runs
  const total = (name) => (runs[0][name] === null ? '–' : runs.reduce((sum, each) => sum + each[name], 0))
  const recover = runs
    .map((each) => each.recoverMs)
    .filter((ms) => ms !== null)
    .sort((a, b) => a - b)
  const back = recover.length === 0 ? '–' : `${seconds(recover[Math.floor(recover.length / 2)])}, ${seconds(recover.at(-1))}`
  const counts = ['tasks', 'lost', 'wrong', 'polls', 'extraCalls'].map(total)
  return `| ${[fault, when, backend === 'redis' ? 'Redis' : 'PostgreSQL', runs.length, ...counts, back].join(' | ')} |`
}

function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`
}
