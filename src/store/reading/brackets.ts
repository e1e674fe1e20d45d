import { z } from 'zod'
import type { ReadTimes } from '../../report/rates.ts'
import {
  type DeliveredRow,
  readBounds,
  readsUnknown,
  type SentBracket,
  toCampaignBracket,
  toElapsedBracket,
} from '../../report/read-brackets.ts'
import { timeToReadPooled } from '../../report/time-to-read.ts'
import { Prisma } from '../generated/client.ts'
import { millis, number, text, timeOrNull } from '../rows.ts'
import type { CampaignKey } from './campaigns.ts'
import type { Source } from './source.ts'
import { during, equals, where } from './sql.ts'

/** A campaign whose app is known, or everything that an app (or all apps) sent in a time. */
export type Pool = CampaignKey | { readonly app?: string | undefined; readonly since?: Date | undefined; readonly until?: Date | undefined }

/**
 * One bracket for each delivered person: one for all tasks of a campaign, one for each task without a campaign. People with the same rows come
 * in one row with their number, since most people of a task share a dozen brackets. The left side has the latest successful poll, and the tasks
 * with delivered people whose send time was not given.
 */
export async function readTimesOfPool(source: Source, pool: Pool): Promise<ReadTimes> {
  const condition = where([
    equals('app', pool.app),
    ...('campaign' in pool ? [equals('campaign', pool.campaign)] : [during('sent_at', pool)]),
  ])
  const rows = await source(Prisma.sql`
SELECT as_of_ms, assumed, deliveries, people FROM (
  SELECT ${millis('max(last_observed_at)')} AS as_of_ms, count(*) FILTER (WHERE NOT sent_at_given AND delivered > 0) AS assumed
  FROM delivery_task_rates WHERE ${condition}
) AS task LEFT JOIN (
  SELECT deliveries::text AS deliveries, count(*) AS people FROM (
    SELECT jsonb_agg(jsonb_build_array(${ms('sent_at')}, sent_at_given, ${ms('deadline_at')}, ${ms('last_unread_at')}, ${ms('first_read_at')})
      ORDER BY sent_at, task_id) AS deliveries
    FROM delivery_recipient_status
    WHERE state IN ('read', 'unread') AND ${condition}
    GROUP BY app, campaign, CASE WHEN campaign IS NULL THEN task_id END, user_id
  ) AS person GROUP BY deliveries
) AS bracket ON true`)
  const brackets = rows.flatMap((row) =>
    row['deliveries'] === null
      ? []
      : Array<SentBracket>(number(row, 'people')).fill(toCampaignBracket(Deliveries.parse(JSON.parse(text(row, 'deliveries'))))),
  )
  const [head] = rows
  const asOf = head === undefined ? null : timeOrNull(head, 'as_of_ms')
  const assumedSendTimes = head === undefined ? 0 : number(head, 'assumed')
  const timeToRead = timeToReadPooled(brackets.map(toElapsedBracket), asOf, assumedSendTimes)
  return { bounds: readBounds(brackets), unknown: readsUnknown(brackets), timeToRead }
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
