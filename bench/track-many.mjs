/**
 * Measures how fast `trackMany` stores tasks through the database: one sender alone, then six at once. Needs `npm run build`.
 *
 *   node bench/track-many.mjs [--tasks 10000] [--people 100] [--senders 6] [--again]
 *
 * Without DATABASE_URL it starts its own PostgreSQL, durable as in production. With it, it uses the database dingtalk_delivery_track_many on
 * that server. `--again` tracks everything a second time, which changes nothing. Fails when a task is not stored.
 */
import { parseArgs } from 'node:util'
import pg from 'pg'
import { createTracker } from '../dist/index.js'
import { migrate } from '../dist/store/migrate.js'
import { ownDatabase, startPostgres } from './support/database.mjs'

const DATABASE = 'dingtalk_delivery_track_many'
const text = /** @type {const} */ ({ type: 'string' })
const { values: options } = parseArgs({
  options: { tasks: text, people: text, senders: text, again: { type: 'boolean', default: false } },
})
const tasks = Number(options.tasks ?? 10_000)
const people = Number(options.people ?? 100)
const senders = Number(options.senders ?? 6)

const closers = []
try {
  await main()
} finally {
  for (const close of closers.reverse()) await close()
}

async function main() {
  const server = process.env.DATABASE_URL ?? (await startPostgres(closers))
  const url = await ownDatabase(closers, server, DATABASE, { anew: true })
  await migrate(url)
  const alone = requestsOf('alone')
  await measure(`one sender, ${tasks} tasks of ${people}`, () => send(url, alone))
  if (options.again) await measure('the same again', () => send(url, alone))
  const each = Array.from({ length: senders }, (_, i) => requestsOf(`sender-${i}`))
  await measure(`${senders} senders at once, as many each`, () => Promise.all(each.map((requests) => send(url, requests))))
  const [stored] = await ask(url, 'SELECT count(*)::int AS tasks, sum(pending)::int AS people FROM delivery_task')
  const [rows] = await ask(url, 'SELECT count(*)::int AS people FROM delivery_recipient')
  process.stdout.write(`${JSON.stringify({ ...stored, rows: rows.people })}\n`)
  if (stored.tasks !== tasks * (senders + 1) || rows.people !== stored.tasks * people) process.exitCode = 1
}

function requestsOf(app) {
  const sentAt = new Date()
  return Array.from({ length: tasks }, (_, task) => ({
    app,
    taskId: String(256_271_000_000 + task),
    agentId: '836390886',
    campaign: `campaign-${Math.floor(task / 50)}`,
    sentAt,
    userIds: Array.from({ length: people }, (__, person) => `0366${String(task % 50).padStart(3, '0')}${String(person).padStart(4, '0')}`),
  }))
}

async function send(databaseUrl, requests) {
  const tracker = createTracker({ databaseUrl })
  try {
    return await tracker.trackMany(requests)
  } finally {
    await tracker.close()
  }
}

async function measure(name, work) {
  const startedAt = performance.now()
  await work()
  process.stdout.write(`${name}: ${((performance.now() - startedAt) / 1_000).toFixed(1)} s\n`)
}

async function ask(url, query) {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(query)).rows
  } finally {
    await client.end()
  }
}
