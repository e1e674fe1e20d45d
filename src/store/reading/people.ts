import { STATES, type TaskKey } from '../../domain/delivery.ts'
import { TrackerError } from '../../domain/errors.ts'
import { forbiddenReasonOf } from '../../domain/problems.ts'
import type {
  CampaignRecipient,
  ForbiddenCount,
  KnownState,
  Page,
  PageFilter,
  RecipientFilter,
  RecipientStatus,
  StateDetails,
} from '../../report/rates.ts'
import { Prisma } from '../generated/client.ts'
import { flag, millis, number, numberOrNull, oneOf, type Row, text, textOrNull, time, timeOrNull } from '../rows.ts'
import type { CampaignKey } from './campaigns.ts'
import { isText, pageOf, sliceOf } from './paging.ts'
import type { Source } from './source.ts'
import { contains, equals, timestamp, where } from './sql.ts'

const PERSON = Prisma.sql`app, task_id, campaign, user_id, state, forbidden_code, forbidden_count, named,
  ${millis('first_seen_at')} AS first_seen_at_ms, ${millis('last_unread_at')} AS last_unread_at_ms, ${millis('first_read_at')} AS first_read_at_ms,
  ${millis('read_after')} AS read_after_ms, ${millis('read_before')} AS read_before_ms, ${millis('last_observed_at')} AS as_of_ms`

function personOf(row: Row): RecipientStatus {
  return {
    app: text(row, 'app'),
    taskId: text(row, 'task_id'),
    campaign: textOrNull(row, 'campaign'),
    userId: text(row, 'user_id'),
    state: oneOf(STATES, row, 'state'),
    firstSeenAt: timeOrNull(row, 'first_seen_at_ms'),
    lastUnreadAt: timeOrNull(row, 'last_unread_at_ms'),
    firstReadAt: timeOrNull(row, 'first_read_at_ms'),
    forbiddenCode: textOrNull(row, 'forbidden_code'),
    forbiddenCount: numberOrNull(row, 'forbidden_count'),
    readAfter: timeOrNull(row, 'read_after_ms'),
    readBefore: timeOrNull(row, 'read_before_ms'),
    named: flag(row, 'named'),
    asOf: timeOrNull(row, 'as_of_ms'),
  }
}

const ofTask = ({ app, taskId }: TaskKey): Prisma.Sql => Prisma.sql`app = ${app}::text AND task_id = ${taskId}::text`
const ofCampaign = ({ app, campaign }: CampaignKey): Prisma.Sql => Prisma.sql`app = ${app}::text AND campaign = ${campaign}::text`

export async function readRecipients(source: Source, key: TaskKey, { state, search }: RecipientFilter): Promise<RecipientStatus[]> {
  const rows = await source(Prisma.sql`
SELECT ${PERSON} FROM delivery_recipient_status
WHERE ${where([ofTask(key), equals('state', state), contains('user_id', search)])} ORDER BY user_id`)
  return rows.map(personOf)
}

/** @throws {TrackerError} `RECIPIENT_NOT_FOUND` */
export async function readPerson(source: Source, key: TaskKey, userId: string): Promise<RecipientStatus> {
  const [row] = await source(Prisma.sql`SELECT ${PERSON} FROM delivery_recipient_status WHERE ${ofTask(key)} AND user_id = ${userId}::text`)
  if (row !== undefined) return personOf(row)
  throw new TrackerError('RECIPIENT_NOT_FOUND', `Task ${key.taskId} has no recipient ${JSON.stringify(userId)}.`)
}

export async function readCampaignRecipients(
  source: Source,
  key: CampaignKey,
  filter: RecipientFilter & PageFilter,
): Promise<Page<CampaignRecipient>> {
  const slice = sliceOf(filter, 'people', [isText])
  const [userId] = slice.after ?? []
  const rows = await source(Prisma.sql`
SELECT ${PERSON}, tasks FROM delivery_campaign_people
WHERE ${where([
    ofCampaign(key),
    equals('state', filter.state),
    contains('user_id', filter.search),
    userId === undefined ? null : Prisma.sql`user_id > ${userId}::text`,
  ])}
ORDER BY user_id LIMIT ${slice.limit + 1}::integer`)
  const people = rows.map((row) => ({ ...personOf(row), tasks: number(row, 'tasks') }))
  return pageOf(people, slice, 'people', (person) => [person.userId])
}

export async function readStateDetails(source: Source, key: CampaignKey): Promise<StateDetails> {
  const rows = await source(Prisma.sql`
SELECT state, code, count(*) AS people, ${millis('min(last_unread_at)')} AS unread_as_of_ms FROM (
  SELECT state, CASE state WHEN 'forbidden' THEN forbidden_code END AS code, CASE state WHEN 'unread' THEN last_unread_at END AS last_unread_at
  FROM delivery_campaign_people WHERE ${ofCampaign(key)} AND state IN ('unread', 'forbidden')
) AS person GROUP BY state, code ORDER BY people DESC, code`)
  const forbidden = rows
    .filter(({ state }) => state === 'forbidden')
    .map((row): ForbiddenCount => {
      const code = textOrNull(row, 'code')
      return { code, reason: forbiddenReasonOf(code), people: number(row, 'people') }
    })
  const unread = rows.find(({ state }) => state === 'unread')
  return { forbidden, unreadAsOf: unread === undefined ? null : timeOrNull(unread, 'unread_as_of_ms') }
}

export async function readStateAt(source: Source, { app, taskId }: TaskKey, at: Date): Promise<KnownState[]> {
  const rows = await source(Prisma.sql`
SELECT user_id, state, ${millis('since')} AS since_ms FROM delivery_state_at(${app}::text, ${taskId}::text, ${timestamp(at)})`)
  return rows.map((row) => ({ userId: text(row, 'user_id'), state: oneOf(STATES, row, 'state'), since: time(row, 'since_ms') }))
}
