/**
 * Measures what people and scrapes read in a database with two years of history: 5,000,000 recipients in 50,000 tasks of 2,000 campaigns, and a
 * changing campaign of 100,000 people in 1,000 tasks. Needs `npm run build`.
 *
 *   node bench/reading.mjs [--tasks 50000] [--runs 31] [--seconds 20] [--only NAME,…] [--plans] [--keep] [--json FILE]
 *
 * Without DATABASE_URL it starts its own PostgreSQL. With it, it uses the database dingtalk_delivery_reading on that server, as its superuser; `--keep`
 * keeps it, and the next run with DATABASE_URL measures it again. `--tasks` are those of the history; the changing campaign has a fiftieth of them.
 * `--only` takes keys of the figures. Figures are medians and, at the database, the 99th percentile; one over its budget is marked, and no figure fails
 * the command. A question that takes long is asked less often, and the figures say how often.
 */
import { openDatabase } from '../dist/store/prisma.js'
import { createRateReader } from '../dist/store/rate-reader.js'
import { overBudget } from '../scripts/budgets.mjs'
import { measureFiles } from './reading/files.mjs'
import { openHistory } from './reading/history.mjs'
import { measureQuestion } from './reading/measure.mjs'
import { measurePage } from './reading/page.mjs'
import { measurePages } from './reading/pages.mjs'
import { listQuestions } from './reading/questions.mjs'
import { measureWrites } from './reading/writes.mjs'
import { readOptions, runBench } from './support/bench.mjs'
import { connect, startPostgres } from './support/database.mjs'
import { round } from './support/figures.mjs'

const options = readOptions({ tasks: 50_000, runs: 31, seconds: 20, only: '', plans: false, keep: false })
const tasks = Math.max(1, Math.ceil(options.tasks / 100)) * 100
const only = options.only === '' ? null : options.only.split(',')

const RECIPIENTS = '/v1/campaigns/all-hands/recipients'

await runBench(options, async (closers) => {
  const server = process.env.DATABASE_URL ?? (await startPostgres(closers))
  const { url, seedSeconds } = await openHistory(closers, server, { tasks, keep: options.keep })
  const client = await connect(closers, url)
  const database = openDatabase(url, { max: 8, statementTimeoutMs: 300_000 })
  closers.push(database.close)
  const reading = seedSeconds === null ? {} : { seed: { seconds: seedSeconds } }
  console.log(`\nat most ${options.runs} runs at the database, warm cache; ${tasks} tasks of history`)
  for (const { key, name, measure } of await listMeasures({ client, database, url })) {
    if (only !== null && !only.includes(key)) continue
    const measured = await measure()
    reading[key] = measured
    console.log(`${name}: ${describe(measured)}${overBudget({ reading: { [key]: measured } })}`)
  }
  if (options.keep && process.env.DATABASE_URL === undefined) await stayUp(server)
  return { reading }
})

/** Those that change what is stored come last. */
async function listMeasures({ client, database, url }) {
  const questions = (await listQuestions(client, tasks)).map((question) => ({
    key: question.key,
    name: question.name,
    measure: () => measureQuestion({ client, database, createRateReader }, question, options.runs, options.plans),
  }))
  const { runs, seconds } = options
  return [
    ...questions,
    { key: 'pages', name: 'pages of the dashboard, ms', measure: () => measurePages(client, { url, tasks, runs }) },
    {
      key: 'page100k',
      name: 'the page of the changing campaign, six viewers',
      measure: () => measurePage({ client, database, url, seconds }),
    },
    { key: 'xlsx100k', name: '.xlsx file of the changing campaign', measure: () => measureFiles(url, `${RECIPIENTS}?format=xlsx`) },
    { key: 'csv100k', name: 'CSV file of the changing campaign', measure: () => measureFiles(url, `${RECIPIENTS}?format=csv`) },
    { key: 'erasure', name: 'erasure of one person', measure: () => measureWrites.erasure(client, database) },
    { key: 'retention', name: 'retention of a day', measure: () => measureWrites.retention(client, database) },
  ]
}

function describe(measured) {
  return Object.entries(measured)
    .map(([figure, value]) => `${figure} ${value === null ? 'unknown' : round(value, 3)}`)
    .join(', ')
}

async function stayUp(server) {
  console.log(`\nThe database stays up until Ctrl-C: DATABASE_URL=${server}`)
  await new Promise((resolve) => process.once('SIGINT', resolve).once('SIGTERM', resolve))
}
