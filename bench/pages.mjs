/**
 * Measures every page of the dashboard over a million rows of recipients: 10,000 tasks of 100 people in 200 campaigns of 5,000, whose people
 * have names and 40 departments with teams below them. Needs `npm run build`.
 *
 *   node bench/pages.mjs [--tasks 10000] [--runs 5] [--keep]
 *
 * Without DATABASE_URL it starts its own PostgreSQL. With it, it uses the database dingtalk_delivery_million on that server, as `million.mjs` does.
 * Each figure is a median; no figure fails the command.
 */
import { parseArgs } from 'node:util'
import pg from 'pg'
import { migrate } from '../dist/store/migrate.js'
import { campaignName, numberOf, seed, TASKS_PER_CAMPAIGN } from './million/seed.mjs'
import { ownDatabase, startPostgres } from './support/database.mjs'
import { serveHttp } from './support/serve.mjs'

const DATABASE = 'dingtalk_delivery_million'
const text = /** @type {const} */ ({ type: 'string' })
const { values: options } = parseArgs({ options: { tasks: text, runs: text, keep: { type: 'boolean', default: false } } })
const tasks = Math.max(4, Math.ceil(Number(options.tasks ?? 10_000) / TASKS_PER_CAMPAIGN)) * TASKS_PER_CAMPAIGN
const runs = Number(options.runs ?? 5)
/** In one task of the first campaign alone: every later task is asked for this person in vain. */
const RARE = 'rare-person'

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
  await fill(client, url)
  const { url: address } = await serveHttp(closers, url)
  const rows = []
  for (const [name, path] of await pages(client)) {
    const times = []
    for (let run = 0; run < runs; run += 1) times.push(await timed(`${address}${path}`))
    times.sort((a, b) => a - b)
    rows.push({ page: name, 'median ms': Math.round(times[Math.floor(runs / 2)]), 'longest ms': Math.round(times.at(-1)) })
  }
  console.table(rows)
}

async function fill(client, url) {
  await migrate(url)
  if ((await numberOf(client, 'SELECT count(*)::int AS n FROM delivery_task')) === 0) await seed(client, tasks, () => undefined)
  await client.query(`
    INSERT INTO delivery_recipient (task_pk, user_id, named, state)
    SELECT id, '${RARE}', true, 'pending' FROM delivery_task ORDER BY sent_at LIMIT 1 ON CONFLICT DO NOTHING`)
  await client.query('VACUUM ANALYZE delivery_person, delivery_recipient')
}

async function pages(client) {
  const { rows } = await client.query(`
    SELECT app, campaign, task_id, user_id FROM delivery_recipient_status
    WHERE campaign = '${campaignName(Math.floor(tasks / TASKS_PER_CAMPAIGN / 2))}' ORDER BY task_id, user_id LIMIT 1`)
  const [{ app, campaign, task_id: taskId, user_id: userId }] = rows
  const others = await client.query(
    'SELECT campaign FROM delivery_campaign_rates WHERE app = $1 AND campaign <> $2 ORDER BY last_sent_at DESC LIMIT 5',
    [app, campaign],
  )
  const compared = [campaign, ...others.rows.map((row) => row.campaign)].map((name) => `campaign=${name}`)
  const of = `app=${app}`
  return [
    ['overview', '/'],
    ['campaign', `/campaigns/${campaign}?${of}`],
    ['campaign, a department', `/campaigns/${campaign}?${of}&department=Headquarters/Department%203`],
    ['campaign, a name', `/campaigns/${campaign}?${of}&q=person+12`],
    ['task', `/tasks/${taskId}?${of}`],
    ['task, a department', `/tasks/${taskId}?${of}&department=Headquarters/Department%203`],
    ['person in a task', `/tasks/${taskId}/people/${userId}?${of}`],
    ['person', `/people/${userId}?${of}`],
    ['person of one old task', `/people/${RARE}`],
    ['search, one name', '/people?q=Person+1234'],
    ['search, many names', '/people?q=person'],
    ['search, an unknown user id', '/people?q=0123456789'],
    ['to choose campaigns', `/compare?${compared[0]}&${of}`],
    ['2 campaigns', `/compare?${compared.slice(0, 2).join('&')}&${of}`],
    ['6 campaigns', `/compare?${compared.join('&')}&${of}`],
  ]
}

async function timed(url) {
  const started = performance.now()
  const response = await fetch(url, { headers: { accept: 'text/html' } })
  await response.text()
  if (!response.ok) throw new Error(`${url} answered ${response.status}`)
  return performance.now() - started
}
