import { z } from 'zod'
import type { TaskKey } from '../../domain/delivery.ts'
import type { BandStep, Population, ReadTimes } from '../../report/rates.ts'
import { readBandOf } from '../../report/read-band.ts'
import { campaignBracketOf, type DeliveredRow, elapsedOf, type SentBracket } from '../../report/read-bracket.ts'
import { type TimeToRead, timeToReadOfTask, timeToReadPooled } from '../../report/time-to-read.ts'
import { Prisma } from '../generated/client.ts'
import { millis, number, text, timeOrNull } from '../rows.ts'
import type { CampaignKey } from './campaigns.ts'
import type { Source } from './source.ts'
import { during, equals, where } from './sql.ts'

/** Resolved: the app of a task or campaign is known. */
export type Known = TaskKey | CampaignKey | Exclude<Population, { readonly taskId: string } | { readonly campaign: string }>

export async function readBand(source: Source, of: TaskKey | CampaignKey): Promise<BandStep[]> {
  return readBandOf(await readBrackets(source, of))
}

export async function readTimeToRead(source: Source, of: Known): Promise<TimeToRead> {
  // In this order: a poll that is stored between the two makes the figures newer than they say, never older.
  const { asOf, assumedSendTimes } = await readTasksOf(source, of)
  return timeToReadIn(of, await readBrackets(source, of), { asOf, assumedSendTimes })
}

export async function readReadTimes(source: Source, of: TaskKey | CampaignKey): Promise<ReadTimes> {
  const tasks = await readTasksOf(source, of)
  const brackets = await readBrackets(source, of)
  return { band: readBandOf(brackets), timeToRead: timeToReadIn(of, brackets, tasks) }
}

function timeToReadIn(
  of: Known,
  brackets: readonly SentBracket[],
  { asOf, assumedSendTimes }: { readonly asOf: Date | null; readonly assumedSendTimes: number },
): TimeToRead {
  const people = brackets.map(elapsedOf)
  const timeToRead = 'taskId' in of ? timeToReadOfTask : timeToReadPooled
  return timeToRead(people, asOf, assumedSendTimes)
}

/**
 * One bracket for each delivered person: of a campaign once, of tasks without one in each. People with the same rows come in one row,
 * with their number: most of a task's people share a dozen brackets.
 */
async function readBrackets(source: Source, of: Known): Promise<SentBracket[]> {
  const rows = await source(Prisma.sql`
SELECT deliveries::text AS deliveries, count(*) AS people FROM (
  SELECT jsonb_agg(jsonb_build_array(${ms('sent_at')}, sent_at_given, ${ms('deadline_at')}, ${ms('last_unread_at')}, ${ms('first_read_at')})
    ORDER BY sent_at, task_id) AS deliveries
  FROM delivery_recipient_status
  WHERE state IN ('read', 'unread') AND ${conditionOf(of)}
  GROUP BY app, campaign, CASE WHEN campaign IS NULL THEN task_id END, user_id
) AS person GROUP BY deliveries`)
  return rows.flatMap((row) =>
    Array<SentBracket>(number(row, 'people')).fill(campaignBracketOf(Deliveries.parse(JSON.parse(text(row, 'deliveries'))))),
  )
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

/** The latest successful poll, and the tasks with delivered people whose send time was not given. */
async function readTasksOf(source: Source, of: Known): Promise<Pick<TimeToRead, 'asOf' | 'assumedSendTimes'>> {
  const [row] = await source(Prisma.sql`
SELECT ${millis('max(last_observed_at)')} AS as_of_ms, count(*) FILTER (WHERE NOT sent_at_given AND delivered > 0) AS assumed
FROM delivery_task_rates WHERE ${conditionOf(of)}`)
  return row === undefined
    ? { asOf: null, assumedSendTimes: 0 }
    : { asOf: timeOrNull(row, 'as_of_ms'), assumedSendTimes: number(row, 'assumed') }
}

function conditionOf(of: Known): Prisma.Sql {
  if ('taskId' in of) return where([equals('app', of.app), equals('task_id', of.taskId)])
  if ('campaign' in of) return where([equals('app', of.app), equals('campaign', of.campaign)])
  return where([equals('app', of.app), during('sent_at', of)])
}
