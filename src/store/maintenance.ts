import type { OldDetails } from '../polling/ports.ts'
import * as column from './columns.ts'
import { retrying } from './database-errors.ts'
import { type Database, readCommitted } from './prisma.ts'

/** Bounds of one recount: another worker may wait to do the same, and the database has other work. */
const MAX_CAMPAIGNS = 500
const MAX_SECONDS = 2

/** Ended tasks in one transaction: at a hundred people each some 50 ms of the database's time. */
const MAX_ENDED = 200

const ENDED = { tasks: column.integer('tasks') }
const CHECKED = {
  checked: column.integer('checked'),
  wrongCampaigns: column.textList('wrong_campaigns'),
  wrongCounts: column.integer('wrong_counts'),
}
const NAMES_REMOVED = { tasks: column.integer('tasks') }
const TASKS_REMOVED = { tasks: column.integer('tasks') }
const PARTITION_DROPPED = { isDropped: column.nullable(column.flag('is_dropped')) }
const FORGOTTEN = { people: column.integer('people') }

/** Which campaigns get a roster. */
export interface RosterRule {
  /** Those with at least so many people: without one a search reads the rows of all of them. */
  readonly people: number
  /** To which no person was added for so many seconds: building one takes about a third of the time that counting the people takes. */
  readonly unchangedSeconds: number
}

const ROSTERS: RosterRule = { people: 20_000, unchangedSeconds: 30 }

/**
 * Counts the campaigns whose figures have changed, so that a read does not have to; until then a read counts them itself, so its figures are right.
 * Counts tasks that ended, and keeps their brackets, so that no read needs their people; and builds rosters. One transaction for all.
 * Safe to run from many workers at once; one works, the others do nothing.
 * @returns whether no ended task is left to count
 */
export async function keepFigures({ pool }: Pick<Database, 'pool'>, rosters = ROSTERS): Promise<boolean> {
  const statement = `SELECT delivery_recount_campaigns($1, $2) AS campaigns, delivery_keep_ended($3) AS tasks,
    delivery_keep_rosters($4, make_interval(secs => $5), $2) AS rosters`
  const [row = {}] = await readCommitted(pool, statement, [
    ...[MAX_CAMPAIGNS, MAX_SECONDS, MAX_ENDED],
    ...[rosters.people, rosters.unchangedSeconds],
  ])
  return column.decodeRow(ENDED, row).tasks < MAX_ENDED
}

/** What a check of the kept figures found. It has repaired what was wrong. */
export interface KeptCheck {
  /** Campaigns that were counted again. */
  readonly checked: number
  /** The names of those whose figures were wrong. */
  readonly wrongCampaigns: readonly string[]
  /** How many numbers of ended tasks were wrong; there is one for each app and status. */
  readonly wrongCounts: number
}

/**
 * Compares kept figures with a full count. A campaign is due when its figures changed, and 20 hours after its last full count.
 * Safe to run from many workers at once; one works, the others find nothing to do.
 */
export async function checkKept({ pool }: Pick<Database, 'pool'>): Promise<KeptCheck> {
  const [row = {}] = await readCommitted(
    pool,
    'SELECT checked, wrong_campaigns AS "wrongCampaigns", wrong_counts AS "wrongCounts" FROM delivery_check_kept($1, $2)',
    [MAX_CAMPAIGNS, MAX_SECONDS],
  )
  return column.decodeRow(CHECKED, row)
}

/** Each is one short transaction, and finds its work by an index. */
export function createOldDetails({ prisma, pool }: Pick<Database, 'prisma' | 'pool'>): OldDetails {
  return {
    async removeNames(before, limit) {
      const [row = {}] = await readCommitted(pool, 'SELECT delivery_remove_names($1, $2) AS tasks', [before.toISOString(), limit])
      return column.decodeRow(NAMES_REMOVED, row).tasks
    },
    async makeRoom() {
      await readCommitted(pool, 'SELECT delivery_add_poll_partition()', [])
    },
    async removePolls(before) {
      const statement = 'SELECT delivery_drop_poll_partition($1) AS "isDropped"'
      const [row = {}] = await readCommitted(pool, statement, [before.toISOString()])
      const { isDropped } = column.decodeRow(PARTITION_DROPPED, row)
      return isDropped === null ? 'busy' : isDropped ? 'removed' : 'none'
    },
    async removeTasks(before, limit) {
      const [row = {}] = await readCommitted(pool, 'SELECT delivery_remove_tasks($1, $2) AS tasks', [before.toISOString(), limit])
      return column.decodeRow(TASKS_REMOVED, row).tasks
    },
    async forgetPeople(before, limit) {
      const [row = {}] = await readCommitted(pool, 'SELECT delivery_forget_people($1, $2) AS people', [before.toISOString(), limit])
      return column.decodeRow(FORGOTTEN, row).people
    },
    async forgetErasures(before) {
      await retrying(
        () => prisma.$executeRaw`/* forget_erasures */ DELETE FROM delivery_erasure WHERE erased_at < ${before.toISOString()}::timestamptz`,
      )
    },
  }
}
