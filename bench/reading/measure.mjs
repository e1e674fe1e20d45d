import { planOf, spentAtDatabase } from '../million/measure.mjs'
import { cpuOf } from '../support/usage.mjs'

/** Milliseconds after which a question is not asked again. */
const ENOUGH_MS = 20_000

/**
 * @typedef {object} Question one that the reader of reports answers, or the database
 * @property {string} key
 * @property {string} name
 * @property {{ medianMs?: number, p99Ms?: number }} budgets
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
  if (isShown) for (const statement of statements) console.log(`\n-- ${name}\n${(await planOf(client, statement)).text}`)
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

/**
 * The smallest value that so large a share of all values does not exceed.
 * @param {readonly number[]} values
 * @param {number} share 0 to 1
 */
export function percentile(values, share) {
  return values.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(values.length * share) - 1)]
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
