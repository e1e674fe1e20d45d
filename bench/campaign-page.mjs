/**
 * Measures the page of one large campaign: 60,000 people in 600 tasks, half a day after the send, six readers at once.
 * Needs `npm run build`.
 *
 *   node bench/campaign-page.mjs [--people 60000] [--viewers 6] [--rounds 5] [--keep]
 *
 * Without DATABASE_URL it starts its own PostgreSQL. With it, it uses the database dingtalk_delivery_campaign_page on that server,
 * which `--keep` keeps for the next run. No figure fails the command.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { migrate } from '../dist/store/migrate.js'
import { CAMPAIGN, seed } from './campaign-page/seed.mjs'
import { ownDatabase, startPostgres } from './support/database.mjs'
import { serveHttp } from './support/serve.mjs'

const DATABASE = 'dingtalk_delivery_campaign_page'
const text = { type: /** @type {const} */ ('string') }
const { values: options } = parseArgs({
  options: { people: text, viewers: text, rounds: text, keep: { type: 'boolean', default: false } },
})
const people = Number(options.people ?? 60_000)
const viewers = Number(options.viewers ?? 6)
const rounds = Number(options.rounds ?? 5)

/** Requests to the API for the same campaign. */
const QUESTIONS = ['', '/recipients?limit=25', '/curve', '/time-to-read', '/forbidden'].map((rest) => `/v1/campaigns/${CAMPAIGN}${rest}`)

const closers = []
try {
  await main()
} finally {
  for (const close of closers.reverse()) await close()
}

async function main() {
  const server = process.env.DATABASE_URL ?? (await startPostgres(closers))
  const url = await ownDatabase(closers, server, DATABASE, options)
  await fill(url)
  const served = await serveHttp(closers, url)
  const page = `${served.url}/campaigns/${CAMPAIGN}`

  const alone = await timed(() => load(page))
  console.log(`the first page, one reader: ${ms(alone.ms)}, refreshed every ${alone.result} s`)
  for (const path of QUESTIONS) console.log(`  ${path}: ${ms((await timed(() => load(`${served.url}${path}`))).ms)}`)

  const together = []
  for (let round = 0; round < rounds; round += 1) {
    const took = await Promise.all(Array.from({ length: viewers }, () => timed(() => load(page))))
    together.push(...took.map((each) => each.ms))
    await sleep(1_000)
  }
  printTimes(`${viewers} readers at once, ${rounds} times, a second apart`, together)

  const filtered = []
  for (const state of ['read', 'unread', 'pending', 'forbidden', 'failed', 'invalid'].slice(0, viewers)) {
    filtered.push(timed(() => load(`${page}?state=${state}`)))
  }
  printTimes(
    'as many at once, each with people in another state',
    (await Promise.all(filtered)).map((each) => each.ms),
  )
}

async function fill(url) {
  await migrate(url)
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const started = performance.now()
    if (await seed(client, people)) console.log(`a campaign of ${people} people seeded in ${ms(performance.now() - started)}`)
    else console.log(`${DATABASE} is filled already, and is measured as it is`)
  } finally {
    await client.end()
  }
}

/** @returns the page's refresh interval, in seconds */
async function load(url) {
  const response = await fetch(url, { headers: { accept: 'text/html, application/json' } })
  const body = await response.text()
  if (!response.ok) throw new Error(`${url} answered ${response.status}`)
  return /data-refresh="(\d+)"/.exec(body)?.[1] ?? null
}

async function timed(work) {
  const started = performance.now()
  const result = await work()
  return { ms: performance.now() - started, result }
}

function printTimes(what, times) {
  const sorted = [...times].sort((a, b) => a - b)
  console.log(`${what}: median ${ms(sorted[Math.floor(sorted.length / 2)])}, longest ${ms(sorted.at(-1))}`)
}

function ms(time) {
  return `${time.toFixed(0)} ms`
}
