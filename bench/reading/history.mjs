import { migrate } from '../../dist/store/migrate.js'
import { connect, numberOf, ownDatabase } from '../support/database.mjs'
import { seed } from './seed.mjs'

export const HISTORY = 'dingtalk_delivery_reading'

/**
 * The database of two years of history. One that an earlier bench has kept on that server is taken as it is.
 * @param {import('../support/bench.mjs').Closers} closers
 * @param {string} server its URL, as a superuser
 * @param {{ tasks: number, keep?: boolean }} options
 * @returns {Promise<{ url: string, seedSeconds: number | null }>} how long seeding took, where it was necessary
 */
export async function openHistory(closers, server, { tasks, keep = false }) {
  const url = await ownDatabase(closers, server, HISTORY, { keep })
  await migrate(url)
  // Closed here: a database to which something is connected cannot be copied.
  const own = []
  try {
    return { url, seedSeconds: await fill(await connect(own, url), tasks) }
  } finally {
    for (const close of own) await close()
  }
}

async function fill(client, tasks) {
  const stored = await numberOf(client, 'SELECT count(*)::int AS n FROM delivery_task')
  if (stored > 0) {
    console.log(`${HISTORY} is there already: its ${stored} tasks are measured as they are`)
    return null
  }
  const started = performance.now()
  const since = () => Math.round((performance.now() - started) / 1_000)
  await seed(client, tasks, (what) => console.log(`seeding, ${since()} s: ${what}`))
  console.log(`seeded in ${since()} s`)
  const { rows } = await client.query(
    `SELECT relname AS name, n_live_tup::int AS rows, pg_size_pretty(pg_total_relation_size(relid)) AS size
     FROM pg_stat_user_tables WHERE relname LIKE 'delivery%' AND n_live_tup > 0 ORDER BY n_live_tup DESC`,
  )
  for (const { name, rows: count, size } of rows) console.log(`  ${name}: ${count} rows, ${size} with indexes`)
  return since()
}
