import { retrying } from './database-errors.ts'
import type { Database } from './prisma.ts'

/** Bounds of one call: another worker may wait to do the same, and the database has other work. */
const MAX_CAMPAIGNS = 500
const MAX_SECONDS = 2

/**
 * Counts the campaigns whose figures have changed, so that reading them does not have to. Nobody is told wrong figures meanwhile: what is
 * not settled is counted by whoever reads it. Safe to run from many workers at once; one works, the others do nothing.
 * @returns how many campaigns were counted
 */
export async function settleCampaigns({ pool }: Pick<Database, 'pool'>): Promise<number> {
  const { rows } = await retrying(() =>
    pool.query<{ settled: number }>('SELECT delivery_settle_campaigns($1, $2) AS settled', [MAX_CAMPAIGNS, MAX_SECONDS]),
  )
  return rows[0]?.settled ?? 0
}
