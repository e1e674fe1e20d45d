import { judge } from './budgets.mjs'

/** Between these, a page has the figures of the latest run. */
const [BEGIN, END] = ['<!-- figures of npm run bench -->', '<!-- end of the figures -->']

const ALL_MINUTES = 12

/** @param {number} value */
const format = (value) => value.toLocaleString('en-US', { maximumSignificantDigits: 3 })

/**
 * @param {ReadonlyArray<{ command: string, code: number, seconds: number }>} runs
 * @param {number} all seconds: steps may run beside each other
 * @returns {string} the minutes of each, and of all
 */
export function minutesTable(runs, all) {
  const minutes = (seconds) => (seconds / 60).toFixed(1).padStart(6)
  const lines = runs.map(({ command, code, seconds }) => `${minutes(seconds)}  ${code === 0 ? 'ok    ' : 'FAILED'}  ${command}`)
  return ['minutes', ...lines, `${minutes(all)}  all; the benches that run without --only have ${ALL_MINUTES}`].join('\n')
}

/**
 * @param {object} document of `npm run bench`
 * @returns {string} each figure with its budget; those that were not measured are left out
 */
export function budgetTable(document) {
  const rows = judge(document).filter(({ value }) => value !== null)
  const cells = rows.map(({ key, about, limit, value, verdict }) => [key, format(value), limit, verdict.replace('over', 'OVER'), about])
  const all = [['figure', 'measured', 'budget', '', ''], ...cells]
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...all.map((row) => row[column].length)))
  return all
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/**
 * The same for a page, with what was not measured. Bold is over its budget.
 * @param {any} document of `npm run bench`
 */
export function markdownOf(document) {
  const { machine, date, load } = document
  const discarded = Object.values(document.discardedRounds ?? {}).reduce((sum, rounds) => sum + rounds, 0)
  const disturbed = Object.values(document.disturbedRounds ?? {}).reduce((sum, rounds) => sum + rounds, 0)
  const rows = judge(document).map(({ key, about, limit, value, verdict }) => {
    const measured = value === null ? '–' : format(value)
    return `| ${about} | \`${key}\` | ${limit} | ${verdict === 'over' ? `**${measured}**` : measured} |`
  })
  return [
    `${date.slice(0, 10)}, ${machine.cores} cores of ${machine.cpu}, ${machine.memoryGiB} GiB, PostgreSQL ${machine.postgres}, Redis ${machine.redis}, Node ${machine.node.slice(1)}.`,
    `Load ${format(load.before)} before and ${format(load.after)} after; ${discarded} rounds were discarded for other work, ${disturbed} were used in spite of it.`,
    '',
    '| what | key in the JSON | budget | measured |',
    '|---|---|--:|--:|',
    ...rows,
    '',
    'CPU of a poll of 100 people in milliseconds, medians of the rounds:',
    '',
    '| poll | CPU | worker | PostgreSQL | Redis | WAL, bytes |',
    '|---|--:|--:|--:|--:|--:|',
    ...POLLS.map(([about, part, kind]) => pollRow(about, document[part]?.[kind])),
  ].join('\n')
}

/** What is polled, and where the bench of it has its figures. */
const POLLS = [
  ['the ceiling', 'redis', 'ceiling'],
  ['A: nothing new in the answer', 'redis', 'A'],
  ['B: a day of 24 polls, 85 % read', 'redis', 'B'],
  ['C: the first poll, 100 new people', 'redis', 'C'],
  ['A, 2,000 apps with a task of 10 people each', 'apps2000', 'A'],
  ['the ceiling, queue in PostgreSQL', 'postgres', 'ceiling'],
  ['A, queue in PostgreSQL', 'postgres', 'A'],
  ['a Prisma upsert for each recipient and poll', 'redis', 'naive'],
  ['a cron job, one open task after another, nothing new', 'redis', 'cron'],
]
const COSTS = ['cpuMsPerPoll', 'workerMsPerPoll', 'postgresMsPerPoll', 'redisMsPerPoll', 'walBytesPerPoll']

function pollRow(about, costs) {
  return `| ${[about, ...COSTS.map((name) => (costs === undefined ? '–' : format(costs[name])))].join(' | ')} |`
}

/**
 * @param {string | null} page what the file has; null where there is none
 * @param {string} markdown
 * @returns {string} what it is to have: in a page with the marks, only what is between them is replaced
 */
export function putInto(page, markdown) {
  const block = `${BEGIN}\n${markdown}\n${END}`
  if (page === null) return `${block}\n`
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (begin < 0 || end < begin) throw new Error(`the file has no line ${BEGIN} with a line ${END} after it`)
  return page.slice(0, begin) + block + page.slice(end + END.length)
}
