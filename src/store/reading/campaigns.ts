import { TrackerError } from '../../domain/errors.ts'
import type { CampaignFilter, CampaignRates, CampaignRef, Page } from '../../report/rates.ts'
import { decodeRow, type Row, selectList } from '../columns.ts'
import { Prisma } from '../generated/client.ts'
import { text } from '../rows.ts'
import { CAMPAIGN_COLUMNS } from './columns.ts'
import { buildPage, isText, isTime, parseSlice } from './paging.ts'
import type { Source } from './source.ts'
import { contains, during, equals, timestamp, where } from './sql.ts'
import { severalApps } from './tasks.ts'

const CAMPAIGN = selectList(CAMPAIGN_COLUMNS)

function decodeCampaignRates(row: Row): CampaignRates {
  return decodeRow(CAMPAIGN_COLUMNS, row)
}

export interface CampaignKey {
  readonly app: string
  readonly campaign: string
}

/** @throws {TrackerError} `CAMPAIGN_NOT_FOUND`, `SEVERAL_APPS` */
export async function readCampaign(source: Source, ref: CampaignRef): Promise<CampaignRates> {
  const rows = await source(Prisma.sql`
SELECT ${CAMPAIGN} FROM delivery_campaign_rates
WHERE ${where([equals('campaign', ref.campaign), equals('app', ref.app)])} ORDER BY app`)
  return decodeCampaignRates(onlyOne(ref, rows))
}

/**
 * Counts no recipients. A row that was read is its own key: it exists.
 * @throws {TrackerError} `CAMPAIGN_NOT_FOUND`, `SEVERAL_APPS`
 */
export async function readCampaignKey(source: Source, ref: CampaignRef): Promise<CampaignKey> {
  if ('openTasks' in ref && ref.app !== undefined) return { app: ref.app, campaign: ref.campaign }
  const rows = await source(Prisma.sql`
SELECT DISTINCT app FROM delivery_task_rates WHERE ${where([equals('campaign', ref.campaign), equals('app', ref.app)])} ORDER BY app`)
  return { campaign: ref.campaign, app: text(onlyOne(ref, rows), 'app') }
}

function onlyOne({ campaign, app }: CampaignRef, rows: readonly Row[]): Row {
  const [row, another] = rows
  const name = JSON.stringify(campaign)
  if (another !== undefined) throw severalApps(`a campaign ${name}`, rows)
  if (row !== undefined) return row
  throw new TrackerError('CAMPAIGN_NOT_FOUND', `No task of ${app === undefined ? 'any app' : `app ${app}`} has the campaign ${name}.`)
}

export async function readCampaigns(source: Source, filter: CampaignFilter): Promise<Page<CampaignRates>> {
  const slice = parseSlice(filter, 'campaigns', [isTime, isText, isText])
  const [sentAt, ...name] = slice.after ?? []
  const rows = await source(Prisma.sql`
SELECT ${CAMPAIGN} FROM delivery_campaign_rates
WHERE ${where([
    equals('app', filter.app),
    equals('campaign', filter.campaign),
    contains('campaign', filter.search),
    sentIn(filter),
    sentAt === undefined
      ? null
      : Prisma.sql`(last_sent_at, campaign, app) < (${timestamp(new Date(sentAt))}, ${Prisma.join(name.map((each) => Prisma.sql`${each}::text`))})`,
  ])}
ORDER BY last_sent_at DESC, campaign DESC, app DESC LIMIT ${slice.limit + 1}::integer`)
  return buildPage(rows.map(decodeCampaignRates), slice, 'campaigns', ({ lastSentAt, campaign, app }) => [
    lastSentAt.toISOString(),
    campaign,
    app,
  ])
}

/** A task of the campaign was sent in the time. With one end it follows from the first or the last send, which is what the list is ordered by. */
function sentIn(filter: CampaignFilter): Prisma.Sql | null {
  const { since, until } = filter
  if (since === undefined || until === undefined) return during(since === undefined ? 'first_sent_at' : 'last_sent_at', filter)
  return Prisma.sql`(app, campaign) IN (SELECT app, campaign FROM delivery_task_rates WHERE ${during('sent_at', filter)})`
}
