import { STATES, type TaskKey } from '../../domain/delivery.ts'
import { TrackerError } from '../../domain/errors.ts'
import { forbiddenReasonOf } from '../../domain/problems.ts'
import type { ForbiddenCount, KnownState, RecipientFilter, RecipientStatus, StateDetails } from '../../report/rates.ts'
import { decodeRow, selectList } from '../columns.ts'
import { Prisma } from '../generated/client.ts'
import { millis, number, oneOf, text, textOrNull, time, timeOrNull } from '../rows.ts'
import type { CampaignKey } from './campaigns.ts'
import { PERSON_COLUMNS } from './columns.ts'
import type { Source } from './source.ts'
import { containsPerson, equals, inDepartment, timestamp, where } from './sql.ts'

const PERSON = selectList(PERSON_COLUMNS)

const ofTask = ({ app, taskId }: TaskKey): Prisma.Sql => Prisma.sql`app = ${app}::text AND task_id = ${taskId}::text`
const ofCampaign = ({ app, campaign }: CampaignKey): Prisma.Sql => Prisma.sql`app = ${app}::text AND campaign = ${campaign}::text`

export async function readRecipients(source: Source, key: TaskKey, filter: RecipientFilter): Promise<RecipientStatus[]> {
  const rows = await source(Prisma.sql`
SELECT ${PERSON} FROM delivery_recipient_status
WHERE ${where([ofTask(key), equals('state', filter.state), containsPerson(filter), inDepartment(key, filter.department)])} ORDER BY user_id`)
  return rows.map((row) => decodeRow(PERSON_COLUMNS, row))
}

/** @throws {TrackerError} `RECIPIENT_NOT_FOUND` */
export async function readPerson(source: Source, key: TaskKey, userId: string): Promise<RecipientStatus> {
  const [row] = await source(Prisma.sql`SELECT ${PERSON} FROM delivery_recipient_status WHERE ${ofTask(key)} AND user_id = ${userId}::text`)
  if (row !== undefined) return decodeRow(PERSON_COLUMNS, row)
  throw new TrackerError('RECIPIENT_NOT_FOUND', `Task ${key.taskId} has no recipient ${JSON.stringify(userId)}.`)
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
