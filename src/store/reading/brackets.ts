import { z } from 'zod'
import type { ReadTimes } from '../../report/rates.ts'
import {
  type DeliveredRow,
  readBounds,
  readsUnknown,
  type SentBracket,
  toCampaignBracket,
  toElapsedBracket,
  toTaskBracket,
} from '../../report/read-brackets.ts'
import { type TimeToRead, timeToReadPooled } from '../../report/time-to-read.ts'
import type { Row } from '../columns.ts'
import { Prisma } from '../generated/client.ts'
import { millis, number, text, timeOrNull } from '../rows.ts'
import type { CampaignKey } from './campaigns.ts'
import type { Source } from './source.ts'
import { during, equals, where } from './sql.ts'

/** A campaign whose app is known, or everything that an app (or all apps) sent in a time. */
export type Pool = CampaignKey | { readonly app?: string | undefined; readonly since?: Date | undefined; readonly until?: Date | undefined }

/** When people read, and the bounds of how many had read at each time. */
export async function readTimesOfPool(source: Source, pool: Pool): Promise<ReadTimes> {
  const read = await readBrackets(source, pool)
  const brackets = expand(read.groups, (bracket) => bracket)
  return { bounds: readBounds(brackets), unknown: readsUnknown(brackets), timeToRead: toTimeToRead(read) }
}

/** The same without the bounds, which nothing shows of more than one campaign. */
export async function readTimeToReadOfPool(source: Source, pool: Pool): Promise<TimeToRead> {
  return toTimeToRead(await readBrackets(source, pool))
}

interface Brackets {
  /** People with the same bracket. */
  readonly groups: ReadonlyArray<{ readonly bracket: SentBracket; readonly people: number }>
  /** The latest successful poll. */
  readonly asOf: Date | null
  /** Tasks with delivered people whose send time was not given. */
  readonly assumedSendTimes: number
}

function toTimeToRead({ groups, asOf, assumedSendTimes }: Brackets): TimeToRead {
  return timeToReadPooled(expand(groups, toElapsedBracket), asOf, assumedSendTimes)
}

function expand<T>(groups: Brackets['groups'], convert: (bracket: SentBracket) => T): T[] {
  return groups.flatMap(({ bracket, people }) => Array<T>(people).fill(convert(bracket)))
}

/**
 * One bracket for each delivered person: one for all tasks of a campaign, one for each task without a campaign. Where no person is in two tasks, the
 * brackets of a task are read as they are kept, whatever the number of its people. Elsewhere people are read; those with the same rows come in one row
 * with their number. One statement, since a campaign may change from one to the other. HAVING is always true; it tells the planner that few tasks are
 * read so. Else servers with jit would compile the statement for half a second, for nothing.
 */
async function readBrackets(source: Source, pool: Pool): Promise<Brackets> {
  const condition = where([
    equals('app', pool.app),
    ...('campaign' in pool ? [equals('campaign', pool.campaign)] : [during('sent_at', pool)]),
  ])
  const rows = await source(Prisma.sql`
SELECT as_of_ms, assumed, brackets, deliveries, people FROM (
  SELECT ${millis('max(last_observed_at)')} AS as_of_ms, count(*) FILTER (WHERE NOT sent_at_given AND delivered > 0) AS assumed
  FROM delivery_task_rates WHERE ${condition}
) AS task LEFT JOIN (
  SELECT json_build_array(${ms('sent_at')}, sent_at_given, ${ms('deadline_at')}, after_ms, before_ms, people)::text AS brackets, NULL AS deliveries, 0 AS people
  FROM delivery_task_read_times WHERE ${condition} AND people_once AND people <> '{}'
  UNION ALL
  SELECT NULL, deliveries::text, count(*) FROM (
    SELECT jsonb_agg(jsonb_build_array(${ms('sent_at')}, sent_at_given, ${ms('deadline_at')}, ${ms('last_unread_at')}, ${ms('first_read_at')})
      ORDER BY sent_at, task_id) AS deliveries
    FROM (
      SELECT app, task_id FROM delivery_task_read_times WHERE ${condition} AND NOT people_once
      GROUP BY app, task_id HAVING count(*) BETWEEN 1 AND 9223372036854775807 AND count(app) BETWEEN 1 AND 9223372036854775807
    ) AS shared
    CROSS JOIN LATERAL (
      SELECT campaign, user_id, sent_at, sent_at_given, deadline_at, last_unread_at, first_read_at FROM delivery_recipient_status AS status
      WHERE status.app = shared.app AND status.task_id = shared.task_id AND status.state IN ('read', 'unread') OFFSET 0
    ) AS status
    GROUP BY app, campaign, user_id
  ) AS person GROUP BY deliveries
) AS bracket ON true`)
  const [head] = rows
  return {
    groups: rows.flatMap(decodeGroups),
    asOf: head === undefined ? null : timeOrNull(head, 'as_of_ms'),
    assumedSendTimes: head === undefined ? 0 : number(head, 'assumed'),
  }
}

function decodeGroups(row: Row): Brackets['groups'] {
  if (row['brackets'] !== null) return toGroups(TaskBrackets.parse(JSON.parse(text(row, 'brackets'))))
  if (row['deliveries'] === null) return []
  return [{ bracket: toCampaignBracket(Deliveries.parse(JSON.parse(text(row, 'deliveries')))), people: number(row, 'people') }]
}

function toGroups([sentAt, sentAtGiven, deadlineAt, afterMs, beforeMs, people]: z.infer<typeof TaskBrackets>): Brackets['groups'] {
  const since = (elapsed: number | null | undefined): Date | null =>
    typeof elapsed === 'number' ? new Date(sentAt.getTime() + elapsed) : null
  return people.map((count, i) => {
    const row = { sentAt, sentAtGiven, deadlineAt, lastUnreadAt: since(afterMs[i]), firstReadAt: since(beforeMs[i]) }
    return { bracket: toTaskBracket(row), people: count }
  })
}

/** Exact in JSON, where a floating point number may have digits behind the millisecond. */
function ms(column: string): Prisma.Sql {
  return Prisma.raw(`round(extract(epoch FROM ${column}) * 1000)::bigint`)
}

const Time = z.int().transform((epochMs) => new Date(epochMs))
const Delivery = z.tuple([Time, z.boolean(), Time, Time.nullable(), Time.nullable()]).transform(
  ([sentAt, sentAtGiven, deadlineAt, lastUnreadAt, firstReadAt]): DeliveredRow => ({
    ...{ sentAt, sentAtGiven, deadlineAt },
    ...{ lastUnreadAt, firstReadAt },
  }),
)
const Deliveries = z.tuple([Delivery], Delivery)
const Milliseconds = z.array(z.int().nullable())
const TaskBrackets = z.tuple([Time, z.boolean(), Time, Milliseconds, Milliseconds, z.array(z.int())])
