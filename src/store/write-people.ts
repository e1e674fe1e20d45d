import type { PersonRecord } from '../intake/people.ts'
import type { PeopleCounts } from '../polling/ports.ts'
import * as column from './columns.ts'
import { retrying } from './database-errors.ts'
import { type Database, inTransaction, type RunStatement } from './prisma.ts'

type Connected = Pick<Database, 'pool'>

/** People in one statement: some 40 ms of the server's time. */
const BATCH = 2_000

const COUNTS = {
  created: column.integer('created'),
  changed: column.integer('changed'),
  unchanged: column.integer('unchanged'),
  erased: column.integer('erased'),
}

const PUT = 'SELECT created, changed, unchanged, erased FROM delivery_put_people($1::jsonb, $2::text)'
const COMPARE = 'SELECT created, changed, unchanged, erased FROM delivery_put_people($1::jsonb, $2::text, true)'

/** Stores names and departments of up to some thousand people of an app, all of them or none. Repeating it changes nothing. */
export function putPeople({ pool }: Connected, app: string, people: readonly PersonRecord[]): Promise<PeopleCounts> {
  return inTransaction(pool, (run) => putBatch(run, PUT, app, people))
}

export interface ImportOptions {
  /** People to remove. */
  readonly removed?: readonly string[]
  /** Called after each batch. */
  readonly onProgress?: ((done: number) => void) | undefined
}

export interface ImportCounts extends PeopleCounts {
  readonly removed: number
}

/** Stores any number of people of an app, and removes others, in one transaction: all, or nothing. */
export function importPeople(
  { pool }: Connected,
  app: string,
  people: readonly PersonRecord[],
  { removed = [], onProgress }: ImportOptions = {},
): Promise<ImportCounts> {
  return inTransaction(pool, async (run) => {
    const counts = await eachBatch(people, onProgress, (batch) => putBatch(run, PUT, app, batch))
    return { ...counts, removed: await remove(run, app, removed) }
  })
}

/** What {@link importPeople} would do. Nothing is written. */
export function comparePeople({ pool }: Connected, app: string, people: readonly PersonRecord[]): Promise<PeopleCounts> {
  return inTransaction(pool, (run) => eachBatch(people, undefined, (batch) => putBatch(run, COMPARE, app, batch)))
}

async function eachBatch(
  people: readonly PersonRecord[],
  onProgress: ImportOptions['onProgress'],
  work: (batch: readonly PersonRecord[]) => Promise<PeopleCounts>,
): Promise<PeopleCounts> {
  // In the order in which every writer locks rows.
  const sorted = people.toSorted((a, b) => (a.userId < b.userId ? -1 : 1))
  let sum: PeopleCounts = { created: 0, changed: 0, unchanged: 0, erased: 0 }
  for (let at = 0; at < sorted.length; at += BATCH) {
    const more = await work(sorted.slice(at, at + BATCH))
    sum = {
      created: sum.created + more.created,
      changed: sum.changed + more.changed,
      unchanged: sum.unchanged + more.unchanged,
      erased: sum.erased + more.erased,
    }
    onProgress?.(Math.min(sorted.length, at + BATCH))
  }
  return sum
}

async function putBatch(run: RunStatement, statement: string, app: string, people: readonly PersonRecord[]): Promise<PeopleCounts> {
  const [row = {}] = await run(statement, [JSON.stringify(people), app])
  return column.decodeRow(COUNTS, row)
}

const REMOVED = { removed: column.integer('removed') }

async function remove(run: RunStatement, app: string, userIds: readonly string[]): Promise<number> {
  let sum = 0
  for (let at = 0; at < userIds.length; at += BATCH) {
    const [row = {}] = await run(
      `WITH gone AS (DELETE FROM delivery_person WHERE app = $1::text AND user_id = ANY ($2::text[]) RETURNING user_id)
SELECT count(*)::integer AS removed FROM gone`,
      [app, userIds.slice(at, at + BATCH)],
    )
    sum += column.decodeRow(REMOVED, row).removed
  }
  return sum
}

/** A person as stored, for a comparison. */
export interface StoredPerson {
  readonly userId: string
  readonly name: string | null
  readonly departments: readonly string[]
  readonly managerUserId: string | null
}

export const STORED_PERSON = {
  userId: column.text('user_id'),
  name: column.nullable(column.text('name')),
  departments: column.textList('departments'),
  managerUserId: column.nullable(column.text('manager_user_id')),
}

/** All people of an app. */
export async function readStoredPeople({ pool }: Connected, app: string): Promise<StoredPerson[]> {
  const { rows } = await retrying(() =>
    pool.query<column.Row>(
      'SELECT user_id AS "userId", name, departments, manager_user_id AS "managerUserId" FROM delivery_people WHERE app = $1::text ORDER BY user_id',
      [app],
    ),
  )
  return rows.map((row) => column.decodeRow(STORED_PERSON, row))
}
