import { FILE_PAGE } from '../../report/all-pages.ts'
import type { CampaignRecipient, Page, PageFilter, RecipientFilter } from '../../report/rates.ts'
import * as column from '../columns.ts'
import { Prisma } from '../generated/client.ts'
import type { CampaignKey } from './campaigns.ts'
import { CAMPAIGN_PERSON_COLUMNS } from './columns.ts'
import { buildPage, encodeCursor, isText, parseCursor, parseSlice } from './paging.ts'
import type { Source } from './source.ts'
import { contains, containsPerson, equals, inDepartment, inOwnDepartments, where } from './sql.ts'

/**
 * The people of a campaign. To show a person once, with the best state, PostgreSQL sorts all rows of all people that a statement asks for. So a page
 * asks for few: first for the user ids that it can have, from the rows of each task as they are, and then for these people.
 */

const PERSON = column.selectList(CAMPAIGN_PERSON_COLUMNS)

const ofCampaign = ({ app, campaign }: CampaignKey): Prisma.Sql => Prisma.sql`app = ${app}::text AND campaign = ${campaign}::text`

/** By user id. */
export async function readCampaignRecipients(
  source: Source,
  key: CampaignKey,
  filter: RecipientFilter & PageFilter,
): Promise<Page<CampaignRecipient>> {
  if (filter.limit === FILE_PAGE) return await readFilePage(source, key, filter)
  const slice = parseSlice(filter, 'people', [isText])
  const people: CampaignRecipient[] = []
  let after = slice.after?.[0] ?? null
  let isLast = false
  // A user id that is found may have a better state in another task. Then the page is not full yet, and more are asked for.
  for (let wanted = slice.limit + 1; people.length <= slice.limit && !isLast; wanted *= 2) {
    const { found, last, userIds } = await findUserIds(source, key, filter, after, wanted)
    isLast = found < wanted
    if (last === null) break
    const among = userIds === null ? isBetween(after, last) : Prisma.sql`user_id = ANY (${userIds}::text[])`
    people.push(...(await readPeople(source, key, filter, among)))
    after = last
  }
  return buildPage(people.slice(0, slice.limit + 1), slice, 'people', (person) => [person.userId])
}

async function readPeople(source: Source, key: CampaignKey, filter: RecipientFilter, among: Prisma.Sql): Promise<CampaignRecipient[]> {
  const { state, department } = filter
  const rows = await source(Prisma.sql`
SELECT ${PERSON} FROM delivery_campaign_people
WHERE ${where([ofCampaign(key), among, equals('state', state), containsPerson(filter), inDepartment(key, department)])} ORDER BY user_id`)
  return rows.map((row) => column.decodeRow(CAMPAIGN_PERSON_COLUMNS, row))
}

const isAfter = (after: string | null): Prisma.Sql | null => (after === null ? null : Prisma.sql`user_id > ${after}::text`)

/** @param last null: to the end */
const isBetween = (after: string | null, last: string | null): Prisma.Sql =>
  where([isAfter(after), last === null ? null : Prisma.sql`user_id <= ${last}::text`])

/** So many are looked up one by one. */
const FEW = 128

const FOUND = {
  found: column.bigint('found'),
  /** Each row that matches and has a user id up to this one is among the found ones. */
  last: column.nullable(column.text('last')),
  /** Null: they are more than {@link FEW}. */
  userIds: column.nullable(column.texts('user_ids')),
}

/** The user ids of the first rows that match. A person may be among them several times. */
async function findUserIds(
  source: Source,
  key: CampaignKey,
  filter: RecipientFilter,
  after: string | null,
  wanted: number,
): Promise<column.Decoded<typeof FOUND>> {
  const [row = {}] = await source(Prisma.sql`
SELECT count(*) AS found, max(user_id) AS last, CASE WHEN count(*) <= ${FEW}::integer THEN array_agg(DISTINCT user_id) END AS "userIds"
FROM (SELECT user_id FROM ${eachRow(key, filter, after)} ORDER BY user_id LIMIT ${wanted}::integer) AS first`)
  return column.decodeRow(FOUND, row)
}

/**
 * The rows of each task that match, after the cursor. OFFSET 0 keeps it a look-up by key for each task: the planner would read the recipients of all
 * campaigns instead. For the same reason the people of a department and those with a name are found once, and not for each row.
 */
function eachRow(key: CampaignKey, filter: RecipientFilter, after: string | null): Prisma.Sql {
  const { state, search, searchIn = 'both' } = filter
  const named = search === undefined || searchIn === 'userId' ? null : isKnown(key, contains('name', search))
  const found = named === null ? contains('user_id', search) : Prisma.sql`(${contains('user_id', search)} OR ${named})`
  return Prisma.sql`(SELECT app, task_id FROM delivery_task_rates WHERE ${ofCampaign(key)} OFFSET 0) AS task
CROSS JOIN LATERAL (
  SELECT user_id FROM delivery_recipient_status AS status
  WHERE status.app = task.app AND status.task_id = task.task_id AND ${where([isAfter(after), equals('state', state), found, inDepartmentOf(key, filter)])}
  OFFSET 0
) AS person`
}

function inDepartmentOf(key: CampaignKey, { department }: RecipientFilter): Prisma.Sql | null {
  return department === undefined || department === '' ? inDepartment(key, department) : isKnown(key, inOwnDepartments(department))
}

/** IS TRUE keeps it one list of people, in which each row is looked up. */
const isKnown = ({ app }: CampaignKey, condition: Prisma.Sql | null): Prisma.Sql =>
  Prisma.sql`(user_id IN (SELECT user_id FROM delivery_known_people WHERE ${where([equals('app', app), condition])})) IS TRUE`

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
FROM (SELECT user_id, row_number() OVER (ORDER BY user_id) AS n FROM ${eachRow(key, {}, after)}) AS numbered`)
  return [after, ...column.decodeRow(BOUNDS, row).bounds]
}
