import { HOUR_MS, MINUTE_MS, QUERY_WINDOW_MS } from '../../domain/delivery.ts'
import { formatRate } from '../../report/rate.ts'
import type { ScheduledPoll, ScheduleReport } from '../../report/schedule.ts'
import type { Display } from '../rates.ts'
import { EIGHTHS } from './bars.ts'
import { type Column, renderTable } from './table.ts'
import { showDuration } from './time.ts'

/** `100% ` before each line of a plot. */
const AXIS_WIDTH = 5
const PLOT_HEIGHT = 6
const MIN_PLOT_WIDTH = 24
const MAX_PLOT_WIDTH = 96
/** Where output is no terminal. */
const DEFAULT_WIDTH = 80

type Plan = Pick<ScheduleReport, 'polls' | 'curve' | 'hours'>

/** The share of recipients that has read, over the 24 hours, and below it a mark for each poll. */
export function schedulePlot(plan: Plan, { colors, width }: Display): string {
  const columns = plotWidth(width)
  const columnMs = QUERY_WINDOW_MS / columns
  const shares = Array.from({ length: columns }, (_, i) => shareAt(plan, (i + 1) * columnMs))
  const lines = Array.from({ length: PLOT_HEIGHT }, (_, i) => {
    const line = PLOT_HEIGHT - 1 - i
    const bars = shares.map((share) => EIGHTHS[Math.round(Math.min(1, Math.max(0, share * PLOT_HEIGHT - line)) * 8)] ?? ' ').join('')
    return `${axisLabel(line)}${colors.green(bars.trimEnd())}`.trimEnd()
  })
  const counts = countPolls(plan.polls, columns, columnMs)
  const marks = counts.map((count) => (count === 0 ? '·' : count === 1 ? '▲' : count > 9 ? '+' : String(count))).join('')
  return [...lines, `${'poll'.padEnd(AXIS_WIDTH)}${marks}`, `${' '.repeat(AXIS_WIDTH)}${hourMarks(plan, columns)}`].join('\n')
}

function plotWidth(width: number): number {
  const room = (Number.isFinite(width) ? width : DEFAULT_WIDTH) - AXIS_WIDTH
  return Math.max(MIN_PLOT_WIDTH, Math.min(MAX_PLOT_WIDTH, room))
}

function axisLabel(line: number): string {
  const label = line === PLOT_HEIGHT - 1 ? '100%' : line === PLOT_HEIGHT / 2 - 1 ? '50%' : line === 0 ? '0%' : ''
  return `${label.padStart(AXIS_WIDTH - 1)} `
}

/** The curve has a point each quarter of an hour. */
function shareAt({ curve }: Plan, offsetMs: number): number {
  return curve.findLast((point) => point.offsetMs <= offsetMs)?.share ?? 0
}

function countPolls(polls: readonly ScheduledPoll[], columns: number, columnMs: number): number[] {
  const counts = Array.from({ length: columns }, () => 0)
  for (const { offsetMs } of polls) {
    const column = Math.min(columns - 1, Math.floor(offsetMs / columnMs))
    counts[column] = (counts[column] ?? 0) + 1
  }
  return counts
}

/** Of this width each: `10:00`, and a gap. */
const HOUR_MARK_WIDTH = 7

/** The organisation's time below a plot, as often as there is room. */
function hourMarks({ hours }: Plan, columns: number): string {
  const columnMs = QUERY_WINDOW_MS / columns
  const everyHours = [3, 6, 12].find((each) => (each * HOUR_MS) / columnMs >= HOUR_MARK_WIDTH) ?? 24
  return hours
    .filter(({ hour, offsetMs }) => hour % everyHours === 0 && offsetMs >= 0)
    .reduce((line, { hour, offsetMs }) => {
      const column = Math.round(offsetMs / columnMs)
      return column < line.length || column + 5 > columns ? line : `${line.padEnd(column)}${twoDigits(hour)}:00`
    }, '')
}

const twoDigits = (value: number): string => String(value).padStart(2, '0')

/** The organisation's time of day of an offset, and the days after the day of the send: `09:05`, `02:10 +1`. */
export function timeOfDay({ hours }: Plan, offsetMs: number): string {
  const [first] = hours
  if (first === undefined) return '–'
  const minutes = Math.round((first.hour * HOUR_MS - first.offsetMs + offsetMs) / MINUTE_MS)
  const days = Math.floor(minutes / 1_440)
  return `${twoDigits(Math.floor(minutes / 60) % 24)}:${twoDigits(minutes % 60)}${days === 0 ? '' : ` +${days}`}`
}

/** How much attention each hour of the day has: a bar an hour, of work days and of free days on one scale. */
export function attentionBars({ law }: Pick<ScheduleReport, 'law'>, { colors, width }: Display): string {
  const { work, free } = law.attention
  const most = Math.max(...work, ...free)
  // Three columns an hour where there is room for them.
  const wide = Number.isFinite(width) ? Math.max(1, Math.min(3, Math.floor((width - NAME_WIDTH) / 24))) : 3
  const bars = (values: readonly number[]): string =>
    values.map((value) => (EIGHTHS[most === 0 ? 0 : Math.max(1, Math.round((value / most) * 8))] ?? ' ').repeat(wide)).join('')
  const marks = ['0', '6', '12', '18'].map((hour) => hour.padEnd(6 * wide)).join('')
  return [
    `${colors.bold('Work days'.padEnd(NAME_WIDTH))}${bars(work)}`,
    `${colors.bold('Free days'.padEnd(NAME_WIDTH))}${bars(free)}`,
    `${' '.repeat(NAME_WIDTH)}${marks.trimEnd()}`,
  ].join('\n')
}

/** As in the facts above. */
const NAME_WIDTH = 13

export function scheduledPollsTable(plan: Plan, { colors, width }: Display): string {
  const rows = plan.polls.map((poll, i) => ({ ...poll, number: i + 1 }))
  const columns: ReadonlyArray<Column<(typeof rows)[number]>> = [
    { title: 'Poll', align: 'right', show: ({ number }) => String(number) },
    { title: 'Time', show: ({ offsetMs }) => timeOfDay(plan, offsetMs) },
    { title: 'After the send', align: 'right', spare: 3, show: ({ offsetMs }) => showDuration(offsetMs) },
    { title: 'Gap', align: 'right', spare: 2, show: ({ gapMs }) => showDuration(gapMs) },
    { title: 'Read by then', align: 'right', show: ({ readShare }) => formatRate(readShare) },
    { title: 'New', align: 'right', spare: 1, show: ({ newShare }) => formatRate(newShare) },
  ]
  return renderTable(columns, rows, colors, width)
}
