import { retrying } from './database-errors.ts'
import type { Database } from './prisma.ts'
import { number, type Row } from './rows.ts'

/** Bounds of one call: another worker may wait to do the same, and the database has other work. */
const MAX_CAMPAIGNS = 500
const MAX_SECONDS = 2

/**
 * In one message, so that nothing of it is left open: the pool closes a connection whose statement failed. READ COMMITTED is said because a
 * database may have another default, under which the function refuses to work.
 */
const RECOUNT = `
  BEGIN ISOLATION LEVEL READ COMMITTED;
  SELECT delivery_recount_campaigns(${MAX_CAMPAIGNS}, ${MAX_SECONDS}) AS recounted;
  COMMIT`

/**
 * Counts the campaigns whose figures have changed, so that reading them does not have to. Nobody is told wrong figures meanwhile: what is
 * not settled is counted by whoever reads it. Safe to run from many workers at once; one works, the others do nothing.
 * @returns how many campaigns were counted
 */
export async function recountCampaigns({ pool }: Pick<Database, 'pool'>): Promise<number> {
  // More than one statement in a query gives a list of results; the types know of one. Only the second has a row.
  const answers = [await retrying(() => pool.query<Row>(RECOUNT))].flat()
  const [recounted] = answers.flatMap(({ rows }) => rows.map((row) => number(row, 'recounted')))
  return recounted ?? 0
}
