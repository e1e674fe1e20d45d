/**
 * Measures reports over a million rows of recipients: 10,000 tasks of 100 people in 200 campaigns of 5,000, sent over three months.
 * Needs `npm run build`.
 *
 *   node bench/million.mjs [--tasks 10000] [--runs 31] [--plans] [--writes] [--keep]
 *
 * Without DATABASE_URL it starts its own PostgreSQL. With it, it uses the database dingtalk_delivery_million on that server.
 * `--keep` keeps the database (and the server, until Ctrl-C), and the next run with DATABASE_URL measures it again. `--plans` prints the plans,
 * `--writes` also measures the cost of campaign marks and indexes for a write. Each figure is a median; no figure fails the command.
 */
import { parseArgs } from 'node:util'
import pg from 'pg'
import { workerTiming } from '../dist/app/settings.js'
import { createRates } from '../dist/rates.js'
import { readGauges } from '../dist/store/gauges.js'
import { migrate } from '../dist/store/migrate.js'
import { openDatabase } from '../dist/store/prisma.js'
import { median, medianOf, planOf, shapeOf, spentAtDatabase } from './million/measure.mjs'
import { CAMPAIGN_PREFIX, campaignName, numberOf, seed, settle, TASKS_PER_CAMPAIGN } from './million/seed.mjs'
import { measureWrites } from './million/writes.mjs'
import { ownDatabase, startPostgres } from './support/database.mjs'

const DATABASE = 'dingtalk_delivery_million'
const flag = /** @type {const} */ ({ type: 'boolean', default: false })
const text = /** @type {const} */ ({ type: 'string' })
const { values: options } = parseArgs({
  options: { tasks: text, runs: text, plans: flag, writes: flag, keep: { type: 'boolean', default: false } },
})
const tasks = Math.max(4, Math.ceil(Number(options.tasks ?? 10_000) / TASKS_PER_CAMPAIGN)) * TASKS_PER_CAMPAIGN
const runs = Number(options.runs ?? 31)

const closers = []
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
  const { prisma, pool, close } = openDatabase(url, { max: 4 })
  closers.push(close)
  await fill(client, url)

  const rows = []
  const figures = figuresOf(await examples(client), client)
  for (const figure of figures) {
    rows.push(await measure({ client, prisma, pool }, figure))
    showProgress('figures', rows.length, figures.length)
  }
  printTable(rows)
  if (options.writes) await measureWrites({ client, url, pairs: Math.ceil(runs / 4) })
  if (options.keep && process.env.DATABASE_URL === undefined) await stayUp(server)
}

async function fill(client, url) {
  await migrate(url)
  const stored = await numberOf(client, 'SELECT count(*)::int AS n FROM delivery_task')
  if (stored > 0) return console.log(`${DATABASE} is there already: its ${stored} tasks are measured as they are`)
  const started = performance.now()
  await seed(client, tasks, showProgress)
  const { rows } = await client.query(
    `SELECT relname AS name, n_live_tup::int AS rows, pg_size_pretty(pg_table_size(relid)) AS table, pg_size_pretty(pg_indexes_size(relid)) AS indexes
     FROM pg_stat_user_tables WHERE relname LIKE 'delivery%' AND n_live_tup > 0 ORDER BY n_live_tup DESC`,
  )
  console.log(`${tasks} tasks seeded in ${Math.round((performance.now() - started) / 1000)} s`)
  for (const { name, rows: count, table, indexes } of rows) console.log(`  ${name}: ${count} rows, ${table} and indexes of ${indexes}`)
}

/** From the middle of the data. */
async function examples(client) {
  const campaigns = await numberOf(
    client,
    `SELECT count(DISTINCT campaign)::int AS n FROM delivery_task WHERE campaign LIKE '${CAMPAIGN_PREFIX}%'`,
  )
  const campaign = campaignName(Math.floor(campaigns / 2))
  const { rows } = await client.query(
    'SELECT app, task_id, date_trunc($2, sent_at) AS day FROM delivery_task WHERE campaign = $1 ORDER BY task_id LIMIT 1 OFFSET 4',
    [campaign, 'day'],
  )
  const [{ app, task_id: taskId, day }] = rows
  const { rows: people } = await client.query(
    'SELECT user_id FROM delivery_recipient_status WHERE app = $1 AND task_id = $2 ORDER BY user_id LIMIT 1',
    [app, taskId],
  )
  return { app, campaign, taskId, since: day, until: new Date(day.getTime() + 86_400_000), personId: people[0].user_id }
}

/** `budgetMs` is for the median at the database. */
function figuresOf({ app, campaign, taskId, since, until, personId }, client) {
  const marked = (campaigns) => ({
    before: () =>
      client.query(
        `INSERT INTO delivery_campaign_change (app, campaign)
         SELECT app, campaign FROM delivery_campaign ORDER BY campaign = $2 DESC, campaign DESC LIMIT $1`,
        [campaigns, campaign],
      ),
    after: () => settle(client),
  })
  const unread = { state: 'unread' }
  const department = 'Headquarters/Department 7'
  return [
    { name: 'a task', budgetMs: 5, read: (rates) => rates.task(taskId, { app }) },
    { name: 'a task, its app not named', budgetMs: 5, read: (rates) => rates.task(taskId) },
    { name: 'the people of a task', read: (rates) => rates.recipients(taskId, { app }) },
    { name: 'the polls of a task', read: (rates) => rates.polls(taskId, { app }) },
    { name: 'one person explained', read: (rates) => rates.explain(taskId, personId, { app }) },
    { name: 'a task as it was known at a time', read: (rates) => rates.stateAt(taskId, until, { app }) },
    { name: 'the last 100 tasks', read: (rates) => rates.tasks() },
    { name: 'the tasks of a campaign', read: (rates) => rates.tasks({ campaign }) },
    { name: 'the last 100 stopped tasks', read: (rates) => rates.tasks({ status: 'stopped' }) },
    { name: 'a campaign of 5,000', budgetMs: 50, read: (rates) => rates.campaign(campaign) },
    { name: 'the same, marked as changed', budgetMs: 50, read: (rates) => rates.campaign(campaign), ...marked(1) },
    { name: 'the campaign list', budgetMs: 200, read: (rates) => rates.campaigns() },
    { name: 'all campaigns', budgetMs: 200, read: (rates) => rates.campaigns({ limit: 1_000 }) },
    { name: 'the campaign list, 20 marked', budgetMs: 200, read: (rates) => rates.campaigns(), ...marked(20) },
    { name: 'the campaigns sent on a day', budgetMs: 200, read: (rates) => rates.campaigns({ since, until }) },
    { name: 'the unread of a campaign', budgetMs: 50, read: (rates) => rates.campaignRecipients(campaign, unread) },
    {
      name: 'the same, all on one page',
      budgetMs: 50,
      read: (rates) => rates.campaignRecipients(campaign, { ...unread, limit: 1_000 }),
    },
    {
      name: 'the same, searched',
      budgetMs: 50,
      read: (rates) => rates.campaignRecipients(campaign, { ...unread, search: personId.slice(4, 9) }),
    },
    { name: 'the unread of a department', budgetMs: 50, read: (rates) => rates.campaignRecipients(campaign, { ...unread, department }) },
    { name: 'a campaign by department', budgetMs: 50, read: (rates) => rates.campaignDepartments(campaign) },
    { name: 'a page of 100,000 people', budgetMs: 300, read: (rates) => rates.people() },
    { name: 'the same, searched', budgetMs: 300, read: (rates) => rates.people({ search: 'Name 77' }) },
    { name: 'one person', budgetMs: 300, read: (rates) => rates.person(personId) },
    { name: 'what was sent to a person', budgetMs: 300, read: (rates) => rates.personTasks(personId) },
    { name: 'what was sent to a person: nothing', budgetMs: 300, read: (rates) => rates.personTasks('other1') },
    { name: 'the forbidden of a campaign, by code', read: (rates) => rates.forbidden({ campaign }) },
    { name: 'the curve of a campaign', read: (rates) => rates.campaignCurve(campaign) },
    { name: 'the bounds of a campaign', read: (rates) => rates.bounds({ campaign }) },
    { name: 'the time to read of a campaign', read: (rates) => rates.timeToRead({ campaign }) },
    { name: 'the time to read of a day', read: (rates) => rates.timeToRead({ since, until }) },
    { name: 'the time to read of a week', read: (rates) => rates.timeToRead({ since: new Date(until.getTime() - 7 * 86_400_000), until }) },
    { name: 'what needs attention', read: (rates) => rates.attention() },
    { name: 'the apps', read: (rates) => rates.apps() },
    { name: 'the gauges of /metrics', gauges: true },
    { name: 'recounting a campaign', statement: 'SELECT delivery_recount_campaigns(1, 1.0)', each: marked(1).before },
  ]
}

/** End to end: through the reader and Prisma, in this process. At the database: the same statements, with planning. */
async function measure({ client, prisma, pool }, figure) {
  const statements = []
  const recorded = (query, values) => statements.push({ query, values })
  const asked = reading(figure, { client, prisma, pool }, recorded)
  await figure.before?.()
  await asked()
  const asStated = [...statements]
  const endToEndMs = await medianOf(runs, asked, figure.each)
  const atDatabase = []
  for (let run = 0; run < runs; run += 1) {
    await figure.each?.()
    atDatabase.push(await spentAtDatabase(client, asStated))
  }
  await figure.each?.()
  const plans = []
  for (const statement of asStated) plans.push(await planOf(client, statement))
  await figure.after?.()
  if (options.plans) for (const plan of plans) console.log(`\n-- ${figure.name}\n${plan.text}`)
  return { ...figure, endToEndMs, databaseMs: median(atDatabase), shape: plans.map(({ root }) => shapeOf(root)).join(' + ') }
}

function reading({ read, gauges, statement }, { client, prisma, pool }, recorded) {
  if (statement !== undefined) return async () => (recorded(statement, []), client.query(statement))
  if (gauges) {
    const query = (sql, values = []) => (recorded(sql, values), pool.query(sql, values))
    const recording = Object.assign(Object.create(pool), { query })
    return () => readGauges({ prisma, pool: recording }, new Map(), workerTiming({ pollsPerTask: 24, timeScale: 1 }).blind)
  }
  const $queryRawUnsafe = (query, ...given) => (recorded(query, given), prisma.$queryRawUnsafe(query, ...given))
  const rates = createRates({ prisma: { $queryRawUnsafe } })
  return () => read(rates)
}

function printTable(rows) {
  const cells = rows.map(({ name, budgetMs, databaseMs, endToEndMs, shape }) => [
    name,
    databaseMs.toFixed(2),
    budgetMs === undefined ? '' : `${budgetMs}${databaseMs > budgetMs ? ' MISSED' : ''}`,
    endToEndMs.toFixed(2),
    shape,
  ])
  const lines = [['figure', 'at the database, ms', 'budget', 'end to end, ms', 'plan'], ...cells]
  const widths = [0, 1, 2, 3].map((column) => Math.max(...lines.map((line) => line[column].length)))
  console.log(`\nmedians of ${runs} runs, warm cache`)
  for (const line of lines)
    console.log(line.map((cell, i) => (i === 0 || i === 4 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i]))).join('  '))
}

function showProgress(what, done, all) {
  if (process.stdout.isTTY) process.stdout.write(`\r${what}: ${done} of ${all}${done === all ? '\n' : ''}`)
  else if (done === all || done % Math.max(1, Math.round(all / 5)) === 0) console.log(`${what}: ${done} of ${all}`)
}

async function stayUp(server) {
  console.log(`\nThe database stays up until Ctrl-C: DATABASE_URL=${server}`)
  await new Promise((resolve) => process.once('SIGINT', resolve).once('SIGTERM', resolve))
}
