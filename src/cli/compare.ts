import { InvalidArgumentError } from 'commander'
import { MINUTE_MS } from '../domain/delivery.ts'
import { InvalidInputError } from '../domain/errors.ts'
import { CAMPAIGN_FIELDS, rowsCsv } from '../report/columns.ts'
import { assertComparable, type CampaignComparison } from '../report/compare.ts'
import { CURVE_WIDTH, type Display, type Format, type Listing, render } from './rates.ts'
import { readBar, SHORT_BAR_WIDTH, sparkline } from './text/bars.ts'
import { describeBracket, describeShare } from './text/reading.ts'
import { type Column, plainText } from './text/table.ts'
import { showShortTime } from './text/time.ts'
import { wrapTo } from './text/width.ts'

/** `report --campaign A --campaign B`: two to six campaigns side by side. */

/** @throws InvalidArgumentError, which is wrong usage */
export function refuseUncomparable(names: readonly string[]): void {
  try {
    assertComparable(names, '--campaign')
  } catch (error) {
    throw error instanceof InvalidInputError ? new InvalidArgumentError(error.message) : error
  }
}

/** All curves have one axis: the time since the send, as long as the campaign that was observed longest. */
export function comparisonTable(campaigns: readonly CampaignComparison[], now: Date): (display: Display) => string {
  return (display) =>
    [render('table', campaigns, listing(campaigns, display, now), display), '', ...wrapTo(LEGEND, display.width)].join('\n')
}

const LEGEND =
  '"Read" is of the delivered people, as of the last successful poll; a campaign that is still tracked may gain. Times count from the first send; curves have the same axis.'

/** CSV has the figures of the campaigns; JSON also curves and time to read. */
export function exportedComparison(campaigns: readonly CampaignComparison[], format: Exclude<Format, 'table'>, display: Display): string {
  const csv = (rows: readonly CampaignComparison[]): string =>
    rowsCsv(
      CAMPAIGN_FIELDS,
      rows.map(({ campaign }) => campaign),
    )
  return render(format, campaigns, { columns: [], csv, nothing: '' }, display)
}

function listing(campaigns: readonly CampaignComparison[], { colors }: Display, now: Date): Listing<CampaignComparison> {
  const longest = Math.max(1, ...campaigns.flatMap(({ points }) => points.at(-1)?.minutes ?? 0))
  const columns: ReadonlyArray<Column<CampaignComparison>> = [
    { title: 'Campaign', shrinkTo: 24, show: ({ campaign }) => plainText(campaign.campaign) },
    { title: 'App', spare: 7, show: ({ campaign }) => plainText(campaign.app) },
    { title: 'Sent', spare: 6, show: ({ campaign }) => showShortTime(campaign.firstSentAt, now) },
    { title: 'Read', align: 'right', show: ({ campaign }) => `${campaign.read} of ${campaign.delivered}` },
    { title: 'Read rate', show: ({ campaign }) => readBar(campaign.readRate, colors, SHORT_BAR_WIDTH) },
    { title: 'In 1 h', spare: 4, show: ({ timeToRead }) => describeShare(timeToRead, 1) },
    { title: 'In 8 h', spare: 3, show: ({ timeToRead }) => describeShare(timeToRead, 8) },
    { title: 'Half had read', spare: 2, show: ({ timeToRead }) => describeHalf(timeToRead) },
    { title: 'Curve'.padEnd(CURVE_WIDTH), spare: 1, show: (each) => drawCurve(each, longest) },
    { title: 'As of', spare: 5, show: ({ campaign }) => showShortTime(campaign.lastObservedAt, now) },
  ]
  return { columns, csv: () => '', nothing: '' }
}

function describeHalf({ quantiles }: CampaignComparison['timeToRead']): string {
  const half = quantiles.find(({ share }) => share === 0.5)
  if (half === undefined) return '–'
  const { afterMs, beforeMs } = half.certain
  return beforeMs === null ? 'not yet' : describeBracket(afterMs, beforeMs)
}

function drawCurve({ campaign, points }: CampaignComparison, longest: number): string {
  const at = (minutes: number): Date => new Date(minutes * MINUTE_MS)
  const span = { from: at(0), until: at(longest), now: at(points.at(-1)?.minutes ?? 0) }
  return sparkline(
    points.map(({ minutes, read }) => ({ at: at(minutes), read })),
    campaign.delivered,
    span,
    CURVE_WIDTH,
  )
}
