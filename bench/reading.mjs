/**
 * Measures what people and scrapes read in a database with two years of history: 5,000,000 recipients in 50,000 tasks of 2,000 campaigns, and a
 * changing campaign of 100,000 people in 1,000 tasks. Needs `npm run build`.
 *
 *   node bench/reading.mjs [--tasks 50000] [--runs 31] [--seconds 30] [--only NAME,…] [--plans] [--keep] [--json FILE]
 *
 * Without DATABASE_URL it starts its own PostgreSQL. With it, it uses the database dingtalk_delivery_reading on that server, as its superuser; `--keep`
 * keeps it, and the next run with DATABASE_URL measures it again. `--tasks` are those of the history; the changing campaign has a fiftieth of them.
 * `--only` takes keys of the figures. Figures are medians and, at the database, the 99th percentile; one over its budget is marked, and no figure fails
 * the command. A question that takes long is asked less often, and the table says how often.
 */
import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { migrate } from '../dist/store/migrate.js'
import { openDatabase } from '../dist/store/prisma.js'
import { createRateReader } from '../dist/store/rate-reader.js'
import { numberOf } from './million/seed.mjs'
import { measureFiles } from './reading/files.mjs'
import { measureQuestion } from './reading/measure.mjs'
import { measurePage } from './reading/page.mjs'
import { listQuestions } from './reading/questions.mjs'
import { seed } from './reading/seed.mjs'
import { measureWrites } from './reading/writes.mjs'
import { ownDatabase, startPostgres } from './support/database.mjs'

const DATABASE = 'dingtalk_delivery_reading'
const text = /** @type {const} */ ({ type: 'string' })
const { values: options } = parseArgs({
  options: {
    tasks: text,
    runs: text,
    seconds: text,
    only: { type: 'string' },
    json: { type: 'string' },
    plans: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
  },
})
const tasks = Math.max(1, Math.ceil(Number(options.tasks ?? 50_000) / 100)) * 100
const runs = Number(options.runs ?? 31)
const only = options.only?.split(',')
const isWanted = (key) => only === undefined || only.includes(key)

const RECIPIENTS = '/v1/campaigns/all-hands/recipients'
const FILES = [
  { key: 'xlsx100k', name: '.xlsx file of the changing campaign', budgets: { seconds: 15 }, path: `${RECIPIENTS}?format=xlsx` },
  { key: 'csv100k', name: 'CSV file of the changing campaign', budgets: {}, path: `${RECIPIENTS}?format=csv` },
]

const closers = []
/** @type {Record<string, Record<string, number | null>>} */
const figures = {}
try {
  await main()
} finally {
  for (const close of closers.reverse()) await close()
}

async function main() {
  const server = process.env.DATABASE_URL ?? (await startPostgres(closers))
  const url = await ownDatabase(closers, server, DATABASE, options)
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  closers.push(() => client.end())
  await fill(client, url)
  const database = openDatabase(url, { max: 8, statementTimeoutMs: 300_000 })
  closers.push(database.close)

  const rows = []
  const note = (key, name, budgets, measured) => {
    figures[key] = measured
    rows.push({ name, measured, budgets })
  }
  for (const question of await listQuestions(client, tasks)) {
    if (!isWanted(question.key)) continue
    note(
      question.key,
      question.name,
      question.budgets,
      await measureQuestion({ client, database, createRateReader }, question, runs, options.plans),
    )
  }
  if (isWanted('page100k')) {
    const seconds = Number(options.seconds ?? 30)
    const measured = await measurePage({ client, database, url, seconds })
    note('page100k', 'the page of the changing campaign, six viewers', { sixViewersMs: 300, cpuShare: 0.1 }, measured)
  }
  for (const { key, name, budgets, path } of FILES) {
    if (isWanted(key)) note(key, name, budgets, await measureFiles(url, path))
  }
  // Last: they change what is stored.
  if (isWanted('erasure')) note('erasure', 'erasure of one person', {}, await measureWrites.erasure(client, database))
  if (isWanted('retention')) note('retention', 'retention of a day', {}, await measureWrites.retention(client, database))
  print(rows)
  if (options.json !== undefined) await writeFile(options.json, JSON.stringify({ reading: figures }, null, 2))
  if (options.keep && process.env.DATABASE_URL === undefined) await stayUp(server)
}

async function fill(client, url) {
  await migrate(url)
  const stored = await numberOf(client, 'SELECT count(*)::int AS n FROM delivery_task')
  if (stored > 0) return console.log(`${DATABASE} is there already: its ${stored} tasks are measured as they are`)
  const started = performance.now()
  const since = () => `${Math.round((performance.now() - started) / 1_000)} s`
  await seed(client, tasks, (what) => console.log(`seeding, ${since()}: ${what}`))
  figures.seed = { seconds: Math.round((performance.now() - started) / 1_000) }
  const { rows } = await client.query(
    `SELECT relname AS name, n_live_tup::int AS rows, pg_size_pretty(pg_total_relation_size(relid)) AS size
     FROM pg_stat_user_tables WHERE relname LIKE 'delivery%' AND n_live_tup > 0 ORDER BY n_live_tup DESC`,
  )
  console.log(`seeded in ${since()}`)
  for (const { name, rows: count, size } of rows) console.log(`  ${name}: ${count} rows, ${size} with indexes`)
}

function print(rows) {
  console.log(`\nmedians and 99th percentiles of at most ${runs} runs at the database, warm cache; ${tasks} tasks of history`)
  const lines = rows.map(({ name, measured, budgets }) => {
    const list = (values) =>
      Object.entries(values).map(([figure, value]) => `${figure} ${value === null ? 'unknown' : Number(value.toPrecision(3))}`)
    const over = Object.keys(budgets).filter((figure) => measured[figure] > budgets[figure])
    return [name, list(measured).join(', '), list(budgets).join(', '), over.length === 0 ? '' : `OVER: ${over.join(', ')}`]
  })
  const all = [['what', 'measured', 'budget', ''], ...lines]
  const widths = [0, 1, 2].map((column) => Math.max(...all.map((line) => line[column].length)))
  for (const line of all)
    console.log(
      line
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
}

async function stayUp(server) {
  console.log(`\nThe database stays up until Ctrl-C: DATABASE_URL=${server}`)
  await new Promise((resolve) => process.once('SIGINT', resolve).once('SIGTERM', resolve))
}
