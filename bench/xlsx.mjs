/**
 * Measures the .xlsx file of a campaign: seconds, size, and how much memory the server takes above what it has at the start, for 10,000 and for
 * 100,000 people. Memory that grows with the people is not flat. Needs `npm run build`.
 *
 *   node bench/xlsx.mjs [--people 10000,100000] [--path PATH] [--out FILE] [--keep]
 *
 * Without DATABASE_URL it starts its own PostgreSQL. With it, it uses databases dingtalk_delivery_xlsx_PEOPLE on that server, which `--keep` keeps
 * for the next run. `--out` writes the last file, `--path`
 * measures another way to it, such as `/campaigns/all-hands/people.xlsx?app=default&state=all`. No figure fails the command.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { migrate } from '../dist/store/migrate.js'
import { CAMPAIGN, seed } from './campaign-page/seed.mjs'
import { ownDatabase, startPostgres } from './support/database.mjs'

const text = { type: /** @type {const} */ ('string') }
const { values: options } = parseArgs({
  options: { people: text, path: text, out: text, keep: { type: 'boolean', default: false } },
})
/** @type {unknown} */
const given = options.people ?? '10000,100000'
const sizes = String(given).split(',').map(Number)
const path = options.path ?? `/v1/campaigns/${CAMPAIGN}/recipients?format=xlsx`

const closers = []
try {
  const server = process.env.DATABASE_URL ?? (await startPostgres(closers))
  for (const people of sizes) {
    const url = await ownDatabase(closers, server, `dingtalk_delivery_xlsx_${people}`, options)
    await fill(url, people)
    await measure(url, people)
  }
} finally {
  for (const close of closers.reverse()) await close()
}

/** A person has a name and a path of departments. */
async function fill(url, people) {
  await migrate(url)
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    if (!(await seed(client, people))) return
    await client.query(`
INSERT INTO delivery_person (app, user_id, name, departments)
SELECT 'default', user_id, '员工' || n, ARRAY['Headquarters/Department ' || n % 12 || '/Team ' || n % 100]
FROM (SELECT user_id, row_number() OVER () AS n FROM (SELECT DISTINCT user_id FROM delivery_recipient) AS person) AS numbered`)
    await client.query('VACUUM ANALYZE')
  } finally {
    await client.end()
  }
}

async function measure(url, people) {
  const server = fork(join(import.meta.dirname, 'xlsx', 'server.mjs'), [url], { execArgv: ['--expose-gc'] })
  try {
    const [{ url: address }] = await once(server, 'message')
    const file = `${address}${path}`
    // The first file loads the library and warms up what every request needs.
    await load(`${file.replace(/&state=\w+/, '')}&state=forbidden`)
    const { peak: before } = await ask(server, 'peak')
    const started = performance.now()
    const bytes = await load(file, options.out)
    const seconds = (performance.now() - started) / 1_000
    const { peak, blockedMs } = await ask(server, 'peak')
    const live = await liveMemory(server, file)
    console.log(
      `${people} people: ${seconds.toFixed(1)} s, ${mib(bytes)} of file, memory of the server ${mib(peak - before)} above ${mib(before)} (in use: ${mib(live)} above that of a server at rest), longest wait of others ${blockedMs.toFixed(0)} ms`,
    )
  } finally {
    server.disconnect()
    await once(server, 'exit')
  }
}

/** What is in use while a file is made, without what could be collected. Its collections make that file slow, so it is another one. */
async function liveMemory(server, file) {
  const { live: atRest } = await ask(server, 'live')
  let most = atRest
  const loading = load(file).then(() => true)
  while (!(await Promise.race([loading, sleep(200, false)]))) {
    const { live } = await ask(server, 'live')
    most = Math.max(most, live)
  }
  return most - atRest
}

async function ask(server, question) {
  const answer = once(server, 'message')
  server.send(question)
  const [figures] = await answer
  return figures
}

/** @returns how many bytes came */
async function load(url, out) {
  const response = await fetch(url)
  if (!response.ok || response.body === null) throw new Error(`${url} answered ${response.status}: ${await response.text()}`)
  let bytes = 0
  const counted = async function* (source) {
    for await (const part of source) {
      bytes += part.length
      yield part
    }
  }
  const nowhere = new Writable({ write: (_part, _encoding, done) => done() })
  await pipeline(Readable.fromWeb(response.body), counted, out === undefined ? nowhere : createWriteStream(out))
  return bytes
}

function mib(bytes) {
  return `${(bytes / 1_048_576).toFixed(0)} MiB`
}
