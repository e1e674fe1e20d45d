import { FILE_PAGE } from '../../report/all-pages.ts'
import type { CampaignRecipient, Page, PageFilter, RecipientFilter } from '../../report/rates.ts'
import * as column from '../columns.ts'
import { Prisma } from '../generated/client.ts'
import { type FoundPeople, isAfter, isInRoster, knownPeople, ofCampaign, readFromRoster, rowMatches } from './campaign-roster.ts'
import type { CampaignKey } from './campaigns.ts'
import { CAMPAIGN_PERSON_COLUMNS } from './columns.ts'
import { buildPage, encodeCursor, isText, parseCursor, parseSlice } from './paging.ts'
import type { Source } from './source.ts'
import { containsPerson, equals, inDepartment, where } from './sql.ts'

/**
 * The people of a campaign. To show a person once, with the best state, PostgreSQL sorts all rows of all people that a statement asks for. So a page
 * asks for few: first for the user ids that it can have, from the rows of each task as they are or from the roster of a large campaign, and then for
 * these people.
 */

const PERSON = column.selectList(CAMPAIGN_PERSON_COLUMNS)

/**
 * By user id.
 * @param people how many the campaign has; undefined: not known
 */
export async function readCampaignRecipients(
  source: Source,
  key: CampaignKey,
  filter: RecipientFilter & PageFilter,
  people?: number,
): Promise<Page<CampaignRecipient>> {
  if (filter.limit === FILE_PAGE) return await readFilePage(source, key, filter)
  const slice = parseSlice(filter, 'people', [isText])
  const listed: CampaignRecipient[] = []
  let after = slice.after?.[0] ?? null
  let isLast = false
  let hasRoster = isInRoster(filter, people)
  // A user id that is found may have a better state in another task. Then the page is not full yet, and more are asked for.
  for (let wanted = slice.limit + 1; listed.length <= slice.limit && !isLast; wanted *= 2) {
    const kept = hasRoster ? await readFromRoster(source, key, filter, after, wanted) : null
    // Without a roster, or where people who match are rare in it, the rest is read from the tasks.
    hasRoster = kept !== null && !kept.isCut
    const found = kept ?? (await readFromTasks(source, key, filter, after, wanted))
    listed.push(...found.people)
    isLast = found.isLast
    after = found.last
  }
  return buildPage(listed.slice(0, slice.limit + 1), slice, 'people', (person) => [person.userId])
}

async function readFromTasks(
  source: Source,
  key: CampaignKey,
  filter: RecipientFilter,
  after: string | null,
  wanted: number,
): Promise<FoundPeople> {
  const { found, last, userIds } = await findUserIds(source, key, filter, after, wanted)
  if (last === null) return { people: [], last, isLast: true }
  const among = userIds === null ? isBetween(after, last) : Prisma.sql`user_id = ANY (${userIds}::text[])`
  return { people: await readPeople(source, key, filter, among), last, isLast: found < wanted }
}

async function readPeople(source: Source, key: CampaignKey, filter: RecipientFilter, among: Prisma.Sql): Promise<CampaignRecipient[]> {
  const { state, department } = filter
  const rows = await source(Prisma.sql`
SELECT ${PERSON} FROM delivery_campaign_people
WHERE ${where([ofCampaign(key), among, equals('state', state), containsPerson(filter), inDepartment(key, department)])} ORDER BY user_id`)
  return rows.map((row) => column.decodeRow(CAMPAIGN_PERSON_COLUMNS, row))
}

/** @param last null: to the end */
const isBetween = (after: string | null, last: string | null): Prisma.Sql =>
  where([isAfter(after), last === null ? null : Prisma.sql`user_id <= ${last}::text`])

/** So many people are looked up one by one. */
const FEW = 128

const FOUND = {
  found: column.bigint('found'),
  /** Each row that matches and has a user id up to this one is among the found ones. */
  last: column.nullable(column.text('last')),
  /** Null: they are more than {@link FEW}. */
  userIds: column.nullable(column.texts('user_ids')),
}

/**
 * The user ids of the first rows that match. A person may be among them several times. Of each task the first few are read, in the order of its index,
 * and then more of those tasks alone whose last one comes before the end of the page: a page costs a few rows of each task, and not all people.
 */
async function findUserIds(
  source: Source,
  key: CampaignKey,
  filter: RecipientFilter,
  after: string | null,
  wanted: number,
): Promise<column.Decoded<typeof FOUND>> {
  const each = (task: Prisma.Sql, last: Prisma.Sql | null): Prisma.Sql => Prisma.sql`
  SELECT user_id FROM delivery_task_people AS person WHERE person.task_pk = ${task} AND ${where([last, rowMatches(filter)])} ORDER BY user_id`
  const [row = {}] = await source(Prisma.sql`
WITH ${knownPeople(key, filter, null)},
task AS MATERIALIZED (SELECT task_pk FROM delivery_task_keys WHERE ${ofCampaign(key)}),
asked AS MATERIALIZED (SELECT 1 + ${wanted}::integer / greatest(count(*), 1) AS rows FROM task),
first AS MATERIALIZED (
  SELECT task.task_pk, person.user_id
  FROM task CROSS JOIN LATERAL (${each(Prisma.sql`task.task_pk`, isAfter(after))} LIMIT (SELECT rows FROM asked)) AS person
),
unfinished AS MATERIALIZED (
  SELECT task_pk, max(user_id) AS last FROM first GROUP BY task_pk
  HAVING count(*) = (SELECT rows FROM asked)
    AND (max(user_id) < (SELECT user_id FROM first ORDER BY user_id LIMIT 1 OFFSET ${wanted - 1}::integer)) IS NOT FALSE
)
SELECT count(*) AS found, max(user_id) AS last, CASE WHEN count(*) <= ${FEW}::integer THEN array_agg(DISTINCT user_id) END AS "userIds"
FROM (
  SELECT user_id FROM first
  UNION ALL
  SELECT person.user_id
  FROM unfinished CROSS JOIN LATERAL (${each(Prisma.sql`unfinished.task_pk`, Prisma.sql`user_id > unfinished.last`)} LIMIT ${wanted}::integer) AS person
  ORDER BY user_id LIMIT ${wanted}::integer
) AS found`)
  return column.decodeRow(FOUND, row)
}

const BOUNDS = { bounds: column.texts('bounds') }
const FILE_CURSOR = 'people of a file'

/**
 * A page of a file, whose cursor has the user ids at which it and all later pages begin: a page costs its own people, and not those after it. It is
 * shorter than {@link FILE_PAGE} where a person has several rows or does not match.
 */
async function readFilePage(source: Source, key: CampaignKey, filter: RecipientFilter & PageFilter): Promise<Page<CampaignRecipient>> {
  const [from, ...later]: readonly [string | null, ...string[]] =
    parseCursor(filter, FILE_CURSOR) ?? (await findBounds(source, key, filter))
  const items = await readPeople(source, key, filter, isBetween(from, later[0] ?? null))
  return { items, nextCursor: later.length === 0 ? null : encodeCursor([FILE_CURSOR, ...later]) }
}

/** The cursor, and each user id after it that is as many rows away as a page has. */
async function findBounds(source: Source, key: CampaignKey, filter: PageFilter): Promise<readonly [string | null, ...string[]]> {
  const after = parseSlice(filter, 'people', [isText]).after?.[0] ?? null
  const [row = {}] = await source(Prisma.sql`
SELECT coalesce(array_agg(DISTINCT user_id ORDER BY user_id) FILTER (WHERE n % ${FILE_PAGE}::integer = 0), '{}') AS bounds
FROM (
  SELECT user_id, row_number() OVER (ORDER BY user_id) AS n
  FROM (SELECT task_pk FROM delivery_task_keys WHERE ${ofCampaign(key)} OFFSET 0) AS task
  CROSS JOIN LATERAL (SELECT user_id FROM delivery_task_people AS person WHERE ${where([Prisma.sql`person.task_pk = task.task_pk`, isAfter(after)])} OFFSET 0) AS person
) AS numbered`)
  return [after, ...column.decodeRow(BOUNDS, row).bounds]
}
