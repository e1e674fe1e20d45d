import { percentile } from '../support/figures.mjs'
import { cpuOf } from '../support/usage.mjs'

/** Milliseconds after which a question is not asked again. */
const ENOUGH_MS = 20_000

/**
 * @typedef {object} Question one that the reader of reports answers, or the database
 * @property {string} key
 * @property {string} name
 * @property {(rates: any) => Promise<unknown>} [ask]
 * @property {(database: any) => Promise<unknown>} [askDatabase]
 */

/**
 * All statements of a question, with planning and the answer written out.
 * @param {{ client: any, database: any, createRateReader: (client: any) => unknown }} asked
 * @param {Question} question
 * @param {number} runs at most
 * @param {boolean} isShown the plans are printed
 * @returns {Promise<{ medianMs: number, p99Ms: number, cpuMs: number | null, runs: number, statements: number }>} cpuMs: of the
 *   connection's process, a run; other work on the machine changes it little. Null where it cannot be measured
 */
export async function measureQuestion({ client, database, createRateReader }, { name, ask, askDatabase }, runs, isShown) {
  const statements = []
  const record = (query, values) => void statements.push({ query, values })
  await (askDatabase === undefined
    ? ask(createRateReader({ prisma: recordingPrisma(database.prisma, record) }))
    : askDatabase(recording(database, record)))
  const spent = []
  const started = performance.now()
  const cpuBefore = await backendCpuMs(client)
  do spent.push(await spentAtDatabase(client, statements))
  while (spent.length < runs && performance.now() - started < ENOUGH_MS)
  const cpuMs = cpuBefore === null ? null : ((await backendCpuMs(client)) - cpuBefore) / spent.length
  if (isShown) for (const statement of statements) console.log(`\n-- ${name}\n${await planOf(client, statement)}`)
  return { medianMs: percentile(spent, 0.5), p99Ms: percentile(spent, 0.99), cpuMs, runs: spent.length, statements: statements.length }
}

function recordingPrisma(prisma, record) {
  return { $queryRawUnsafe: (query, ...values) => (record(query, values), prisma.$queryRawUnsafe(query, ...values)) }
}

/** For what does not read through the reader of reports: the statements of the pool, in place of Prisma's own connections as well. */
function recording(database, record) {
  const query = (given, values = []) => (record(given, values), database.pool.query(given, values))
  return { ...database, pool: Object.assign(Object.create(database.pool), { query }) }
}

/** CPU time of the process behind the connection; null where that is on another machine, or this is not Linux. */
async function backendCpuMs(client) {
  const { rows } = await client.query('SELECT pg_backend_pid() AS pid')
  try {
    return cpuOf(rows[0].pid)
  } catch {
    return null
  }
}

/**
 * Milliseconds of planning and execution over all statements; from PostgreSQL 17 on with the answer written out as text.
 * Timing each node would cost more than some of the statements.
 */
async function spentAtDatabase(client, statements) {
  const { rows: versions } = await client.query("SELECT current_setting('server_version_num')::int >= 170000 AS serializes")
  const options = `ANALYZE, TIMING OFF, BUFFERS OFF, FORMAT JSON${versions[0].serializes ? ', SERIALIZE TEXT' : ''}`
  let spent = 0
  for (const { query, values } of statements) {
    const { rows } = await client.query(`EXPLAIN (${options}) ${query}`, values)
    const [explained] = rows[0]['QUERY PLAN']
    spent += explained['Planning Time'] + explained['Execution Time']
  }
  return spent
}

async function planOf(client, { query, values }) {
  const { rows } = await client.query(`EXPLAIN (ANALYZE) ${query}`, values)
  return rows.map((row) => row['QUERY PLAN']).join('\n')
}
