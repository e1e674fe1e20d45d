import type { ListedPerson } from '../domain/directory.ts'
import { type CallClock, encodeCallClock } from './call-clock.ts'
import * as column from './columns.ts'
import { retrying } from './database-errors.ts'
import { type Database, readCommitted } from './prisma.ts'
import { STORED_PERSON, type StoredPerson } from './write-people.ts'

type Connected = Pick<Database, 'pool'>

/** How those who are stored differ from those who were read. All are counts of people. */
export interface PeopleChanges {
  readonly created: number
  readonly changed: number
  readonly unchanged: number
  /** Left out: they were erased less than a day ago. */
  readonly erased: number
  /** Stored, and not read. 0 where only a part of the organisation was read: it does not show who left. */
  readonly missing: number
}

/** Which people an app's reading is about. */
export interface PeopleScope {
  readonly app: string
  /** The path of the department below which people were read: their departments elsewhere stay. Null: the whole organisation was read. */
  readonly below: string | null
}

const CHANGES = {
  created: column.integer('created'),
  changed: column.integer('changed'),
  unchanged: column.integer('unchanged'),
  erased: column.integer('erased'),
  missing: column.integer('missing'),
}

/** Sorted, so that another order of DingTalk's departments changes no row. */
const GIVEN = `
given AS MATERIALIZED (
  SELECT person ->> 'userId' AS user_id, person || jsonb_build_object('departments', (
    SELECT coalesce(jsonb_agg(path ORDER BY path COLLATE "C"), '[]') FROM (
      SELECT jsonb_array_elements_text(person -> 'departments') AS path
      UNION
      SELECT path FROM unnest(stored.departments) AS path WHERE path <> $3::text AND NOT starts_with(path, $3::text || '/')
    ) AS every (path)
  )) AS person
  FROM jsonb_array_elements($1::jsonb) AS listed (person)
  LEFT JOIN delivery_person AS stored ON stored.app = $2::text AND stored.user_id = person ->> 'userId'
), request AS MATERIALIZED (
  SELECT coalesce(jsonb_agg(person), '[]') AS people FROM given
)`

const IS_MISSING = `stored.app = $2::text AND $3::text IS NULL AND NOT EXISTS (SELECT FROM given WHERE given.user_id = stored.user_id)`

const put = (missing: string, onlyCompare: boolean): string => `
SELECT put.created, put.changed, put.unchanged, put.erased, ${missing} AS missing
FROM request CROSS JOIN LATERAL delivery_put_people(request.people, $2::text, ${onlyCompare}) AS put`

const COUNT_MISSING = `(SELECT count(*)::integer FROM delivery_person AS stored WHERE ${IS_MISSING})`

const COMPARE = `/* compare_people */ WITH ${GIVEN} ${put(COUNT_MISSING, true)}`

const WRITE = `/* sync_people */ WITH ${GIVEN} ${put(COUNT_MISSING, false)}`

/** The rows that it deletes are none of those that it writes. */
const WRITE_AND_REMOVE = `/* sync_people */
WITH ${GIVEN}, removed AS (
  DELETE FROM delivery_person AS stored WHERE ${IS_MISSING} RETURNING 1
) ${put('(SELECT count(*)::integer FROM removed)', false)}`

/** What {@link writePeople} would change. */
export function comparePeople(database: Connected, people: readonly ListedPerson[], scope: PeopleScope): Promise<PeopleChanges> {
  return change(database, COMPARE, people, scope)
}

/**
 * Stores the people in one statement: all or none. What a person has besides name and departments stays.
 * @param remove whether those who are missing are deleted
 */
export function writePeople(
  database: Connected,
  people: readonly ListedPerson[],
  scope: PeopleScope,
  remove: boolean,
): Promise<PeopleChanges> {
  return change(database, remove ? WRITE_AND_REMOVE : WRITE, people, scope)
}

/** A person who changes, as stored and as it would be stored. */
export interface ChangedPerson {
  readonly before: StoredPerson
  readonly now: ListedPerson
}

const CHANGED = { ...STORED_PERSON, newName: column.nullable(column.text('new_name')), newDepartments: column.textList('new_departments') }

const READ_CHANGED = `/* changed_people */
WITH ${GIVEN}, compared AS (
  SELECT user_id, person ->> 'name' AS name, ARRAY(SELECT jsonb_array_elements_text(person -> 'departments')) AS departments FROM given
)
SELECT
  user_id AS "userId", stored.name, stored.departments, stored.manager_user_id AS "managerUserId",
  compared.name AS "newName", compared.departments AS "newDepartments"
FROM compared JOIN delivery_person AS stored USING (user_id)
WHERE stored.app = $2::text AND (compared.name, compared.departments) IS DISTINCT FROM (stored.name, stored.departments)
ORDER BY user_id COLLATE "C"
LIMIT $4`

/** The first of the people whom {@link writePeople} would change. */
export async function readChangedPeople(
  { pool }: Connected,
  people: readonly ListedPerson[],
  { app, below }: PeopleScope,
  limit: number,
): Promise<ChangedPerson[]> {
  const { rows } = await retrying(() => pool.query<column.Row>(READ_CHANGED, [JSON.stringify(people), app, below, limit]))
  return rows.map((row) => {
    const { newName, newDepartments, ...before } = column.decodeRow(CHANGED, row)
    return { before, now: { userId: before.userId, name: newName, departments: newDepartments } }
  })
}

async function change(
  { pool }: Connected,
  statement: string,
  people: readonly ListedPerson[],
  { app, below }: PeopleScope,
): Promise<PeopleChanges> {
  const [row = {}] = await readCommitted(pool, statement, [JSON.stringify(people), app, below])
  return column.decodeRow(CHANGES, row)
}

export interface CallUse {
  /** Calls that count in this month, China's. */
  readonly used: number
  /** Kept for final polls. */
  readonly reserved: number
  /** `2026-11`. */
  readonly month: string
}

const USE = { used: column.integer('used'), reserved: column.integer('reserved'), month: column.text('month') }

/** As `delivery_reserve_calls` counts. */
const CALL_USE = `/* call_use */
SELECT
  month.name AS month,
  coalesce((SELECT calls_used FROM delivery_app AS app WHERE app.app = $1::text AND app.calls_month = month.name), 0)::integer AS used,
  delivery_reserved_calls($1::text, '-infinity', month.ends + month.final_ms * interval '1 ms', NULL) AS reserved
FROM delivery_call_month(clock_timestamp(), $2::jsonb) AS month`

/** @param callClock by which months pass; null: the real one */
export async function readCallUse({ pool }: Connected, app: string, callClock: CallClock | null): Promise<CallUse> {
  const { rows } = await retrying(() => pool.query<column.Row>(CALL_USE, [app, encodeCallClock(callClock)]))
  return column.decodeRow(USE, rows[0] ?? {})
}
