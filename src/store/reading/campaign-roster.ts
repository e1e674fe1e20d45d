import type { CampaignRecipient, RecipientFilter } from '../../report/rates.ts'
import * as column from '../columns.ts'
import { Prisma } from '../generated/client.ts'
import type { CampaignKey } from './campaigns.ts'
import { CAMPAIGN_PERSON_COLUMNS } from './columns.ts'
import type { Source } from './source.ts'
import { contains, containsName, equals, foldsCase, inOwnDepartments, where } from './sql.ts'

/**
 * The roster of a large campaign: its people by user id, kept by the worker, in parts of 64. It says in which tasks a person may be, so a search reads
 * the ids alone and looks up the few that match, where it would else read the rows of all people.
 */

/** The people of a part of a page. */
export interface FoundPeople {
  readonly people: readonly CampaignRecipient[]
  /** All people who match, after the cursor and up to this user id, are among them. Null: there is none. */
  readonly last: string | null
  /** There are no more. */
  readonly isLast: boolean
}

/** Campaigns with fewer people have no roster. */
const LARGE = 20_000

/** Entries of the roster that are looked up for a page. Reading all people of 100 tasks costs as much. */
const MOST_LOOKED_UP = 3_000

/** For so many known people the parts that have them are found first. More of them are soon found in any part. */
const MOST_PARTS_FOUND = 500

export const ofCampaign = ({ app, campaign }: CampaignKey): Prisma.Sql => Prisma.sql`app = ${app}::text AND campaign = ${campaign}::text`

export const isAfter = (after: string | null): Prisma.Sql | null => (after === null ? null : Prisma.sql`user_id > ${after}::text`)

/** Without a search or a department each task has its first people at hand. People without a department are found by what is not known of them. */
export function isInRoster({ search, department }: RecipientFilter, people: number | undefined): boolean {
  return (people === undefined || people >= LARGE) && (hasText(search) || (hasText(department) && !hasNul(search)))
}

const hasNul = (text: string | undefined): boolean => text?.includes('\0') ?? false
const hasText = (text: string | undefined): text is string => text !== undefined && text !== '' && !hasNul(text)

const isNamed = ({ search, searchIn = 'both' }: RecipientFilter): boolean => search !== undefined && searchIn !== 'userId'

/**
 * `named`: who has the name that is searched; `member`: who is in the department, or in any where those in none are asked for. They are found once, and
 * not for each row.
 * @param when they are asked for at all; null: always
 */
export function knownPeople({ app }: CampaignKey, filter: RecipientFilter, when: Prisma.Sql | null): Prisma.Sql {
  const { search, department } = filter
  const list = (condition: Prisma.Sql | null): Prisma.Sql =>
    Prisma.sql`(SELECT user_id FROM delivery_known_people WHERE ${where([when, equals('app', app), condition])})`
  const none = Prisma.sql`false`
  const member = department === '' ? Prisma.sql`department IS NOT NULL` : inOwnDepartments(department)
  return Prisma.sql`named AS MATERIALIZED ${list(search !== undefined && isNamed(filter) ? containsName(search) : none)},
member AS MATERIALIZED ${list(member ?? none)}`
}

/** A row of `delivery_task_people` matches. IS TRUE keeps a list of people one list, in which each row is looked up. */
export function rowMatches(filter: RecipientFilter): Prisma.Sql {
  return where([equals('state', filter.state), userIdMatches(filter)])
}

function userIdMatches(filter: RecipientFilter): Prisma.Sql {
  const { search, department } = filter
  const found = contains('user_id', search)
  const isMember = Prisma.sql`(user_id IN (SELECT user_id FROM member))`
  return where([
    isNamed(filter) ? Prisma.sql`(${found} OR (user_id IN (SELECT user_id FROM named)) IS TRUE)` : found,
    department === undefined ? null : department === '' ? Prisma.sql`${isMember} IS FALSE` : Prisma.sql`${isMember} IS TRUE`,
  ])
}

/** A part of the roster may have a person who matches. */
function partMatches(key: CampaignKey, filter: RecipientFilter): Prisma.Sql {
  const { search, department } = filter
  const hasId = search === undefined ? null : partContains(search)
  return where([
    isNamed(filter) ? Prisma.sql`(${hasId} OR ${hasOneOf(key, Prisma.sql`named`)})` : hasId,
    department === undefined || department === '' ? null : hasOneOf(key, Prisma.sql`member`),
  ])
}

/** As {@link contains}, over the ids of a part: one search in a text costs a fraction of a search in each of its lines. */
function partContains(search: string): Prisma.Sql {
  if (!foldsCase(search)) return Prisma.sql`strpos(user_ids, ${search}::text) > 0`
  return Prisma.sql`strpos(CASE WHEN has_case THEN lower(user_ids COLLATE "default") ELSE user_ids COLLATE "default" END, lower(${search}::text COLLATE "default")) > 0`
}

function hasOneOf(key: CampaignKey, people: Prisma.Sql): Prisma.Sql {
  const areMany = Prisma.sql`(SELECT count(*) > ${MOST_PARTS_FOUND}::integer FROM ${people})`
  return Prisma.sql`(${areMany} OR first_user_id IN (
    SELECT (SELECT first_user_id FROM delivery_rosters WHERE ${ofCampaign(key)} AND first_user_id <= known.user_id ORDER BY first_user_id DESC LIMIT 1)
    FROM ${people} AS known WHERE NOT ${areMany}
  ))`
}

const REACHED = {
  isCurrent: column.flag('is_current'),
  found: column.bigint('found'),
  isCut: column.flag('is_cut'),
  last: column.nullable(column.text('last')),
  /** There is a person in the row. */
  isPerson: column.flag('is_person'),
}

const BEST_FIRST = Prisma.sql`array_position(ARRAY['read', 'unread', 'pending', 'forbidden', 'failed', 'invalid'], status.state::text), status.sent_at DESC, status.task_id`

/**
 * The first people who match. Entries are looked up in the order of user ids until the page is full: a part is sorted, and parts are read in the order of
 * their index. Of the last one that is looked up not all entries may be, so a list that is cut ends before it. Then each person is read in all tasks that
 * the roster names, as `delivery_campaign_people` does it with all tasks of the campaign.
 * @returns null where the campaign has no current roster. `isCut`: too many people were looked up for what was found
 */
export async function readFromRoster(
  source: Source,
  key: CampaignKey,
  filter: RecipientFilter,
  after: string | null,
  wanted: number,
): Promise<(FoundPeople & { readonly isCut: boolean }) | null> {
  const rows = await source(Prisma.sql`
WITH ${foundInRoster(key, filter, after, wanted)},
ended AS MATERIALIZED (
  SELECT count(*) AS found, max(user_id) AS last,
    CASE WHEN count(*) < ${wanted}::integer THEN (SELECT count(*) = ${MOST_LOOKED_UP}::integer FROM entry) ELSE false END AS is_cut
  FROM found
),
reached AS MATERIALIZED (
  SELECT found, is_cut, CASE WHEN is_cut THEN (SELECT max(user_id) FROM entry WHERE user_id < (SELECT max(user_id) FROM entry)) ELSE last END AS last FROM ended
)
SELECT kept.is_current AS "isCurrent", reached.found, reached.is_cut AS "isCut", reached.last, person.user_id IS NOT NULL AS "isPerson",
  ${column.selectList(CAMPAIGN_PERSON_COLUMNS, { from: 'person', prefix: 'person_' })}
FROM kept CROSS JOIN reached LEFT JOIN (
  SELECT DISTINCT ON (status.user_id) status.*, count(*) OVER (PARTITION BY status.user_id) AS tasks
  FROM (SELECT DISTINCT user_id FROM found) AS one
  CROSS JOIN LATERAL (
    SELECT user_ids, task_pks FROM delivery_rosters WHERE ${ofCampaign(key)} AND first_user_id <= one.user_id ORDER BY first_user_id DESC LIMIT 1
  ) AS part
  CROSS JOIN LATERAL unnest(string_to_array(part.user_ids, E'\n'), part.task_pks) AS line (user_id, task_pk)
  CROSS JOIN LATERAL (SELECT app, task_id FROM delivery_task_keys AS task WHERE task.task_pk = line.task_pk OFFSET 0) AS task
  CROSS JOIN LATERAL (
    SELECT * FROM delivery_recipient_status AS each
    WHERE each.app = task.app AND each.task_id = task.task_id AND each.user_id = one.user_id OFFSET 0
  ) AS status
  WHERE line.user_id = one.user_id
  ORDER BY status.user_id, ${BEST_FIRST}
) AS person ON ${where([Prisma.sql`person.user_id <= reached.last`, equals('person.state', filter.state)])}
ORDER BY person.user_id`)
  const { isCurrent, found, isCut, last } = column.decodeRow(REACHED, rows[0] ?? {})
  if (!isCurrent || (isCut && last === null)) return null
  const people = rows.filter((row) => column.decodeRow(REACHED, row).isPerson)
  return {
    people: people.map((row) => column.decodeRow(CAMPAIGN_PERSON_COLUMNS, row, 'person_')),
    ...{ last, isCut, isLast: !isCut && found < wanted },
  }
}

/** `entry`: the lines of the roster that match, in order; `found`: those whose person has the state. A line is not read before it is needed. */
function foundInRoster(key: CampaignKey, filter: RecipientFilter, after: string | null, wanted: number): Prisma.Sql {
  const isCurrent = Prisma.sql`(SELECT is_current FROM kept)`
  const from =
    after === null
      ? null
      : Prisma.sql`first_user_id >= coalesce((SELECT max(first_user_id) FROM delivery_rosters WHERE ${ofCampaign(key)} AND first_user_id <= ${after}::text), '')`
  return Prisma.sql`
kept AS MATERIALIZED (SELECT EXISTS (SELECT FROM delivery_rosters WHERE ${ofCampaign(key)} AND is_current) AS is_current),
${knownPeople(key, filter, isCurrent)},
entry AS MATERIALIZED (
  SELECT each.user_id, each.task_pk
  FROM delivery_rosters AS part CROSS JOIN LATERAL (
    SELECT user_id COLLATE "C" AS user_id, task_pk FROM unnest(string_to_array(part.user_ids, E'\n'), part.task_pks) AS line (user_id, task_pk)
    WHERE ${where([isAfter(after), userIdMatches(filter)])}
  ) AS each
  WHERE ${where([isCurrent, ofCampaign(key), from, partMatches(key, filter)])}
  ORDER BY part.first_user_id, each.user_id LIMIT ${MOST_LOOKED_UP}::integer
),
found AS MATERIALIZED (
  SELECT entry.user_id FROM entry CROSS JOIN LATERAL (
    SELECT FROM delivery_task_people AS person
    WHERE ${where([Prisma.sql`person.task_pk = entry.task_pk AND person.user_id = entry.user_id`, equals('state', filter.state)])} OFFSET 0
  ) AS looked_up LIMIT ${wanted}::integer
)`
}
