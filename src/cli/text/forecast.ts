import { MINUTE_MS } from '../../domain/delivery.ts'
import { formatDuration } from '../../domain/duration.ts'
import type { ComparedSchedule } from '../../domain/schedule/compare.ts'
import type { Forecast, ScheduleFigures } from '../../report/forecast.ts'
import { formatRate } from '../../report/rate.ts'
import type { Display } from '../rates.ts'
import { type Fact, NO_BREAK, renderFacts } from './layout.ts'
import { type Column, plainText, renderTable } from './table.ts'
import { showDuration, showTime } from './time.ts'
import { wrapTo } from './width.ts'

/** The organisation's clock, in which polls are shown. */
export interface LocalClock {
  readonly timeZone: string
  /** The local time as epoch milliseconds of a clock in UTC that shows the same digits. */
  localAt(at: Date): number
}

/** What the campaign costs and tells in sentences, other schedules beside it, and the polls as times of day. */
export function describeForecast(forecast: Forecast, clock: LocalClock, display: Display): string {
  const sentences = [describeCost(forecast), describeWidth(forecast), describeReads(forecast)].join(' ')
  return [
    wrapTo(sentences, display.width).join('\n').replaceAll(NO_BREAK, ' '),
    renderFacts(sourceFacts(forecast), display),
    comparisonTable(forecast, display),
    renderFacts(pollFacts(forecast, clock), display),
  ].join('\n\n')
}

function describeCost({ tasks, calls, callsAtMost }: Forecast): string {
  return `${count(tasks, 'task')}, about ${count(Math.round(calls), 'call')} (${number(callsAtMost)} at most).`
}

function describeWidth({ meanBracketMinutes, optimumMinutes, polls }: Forecast): string {
  const best = `${count(polls, 'poll')} can reach ${duration(optimumMinutes)} at best.`
  return `A read is known to within ${duration(meanBracketMinutes)} on average; ${best}`
}

function describeReads({ readWithin }: Forecast): string {
  const shares = readWithin.map(({ hours, share }) => `${formatRate(share)} after ${hours}${NO_BREAK}h`)
  return `Expected to have read: ${shares.join(', ')}.`
}

function sourceFacts(forecast: Forecast): Fact[] {
  return [
    ['Law', describeLaw(forecast)],
    ['Polls', describePlacing(forecast)],
    ['Target', describeTarget(forecast)],
    ['Report ages', describeAges(forecast)],
    ['Last task', describeLastTask(forecast)],
    ['Budget', describeBudget(forecast)],
  ]
}

/** When recipients read, and how that is known. */
function describeLaw({ law, app }: Forecast): string {
  const { kind, tasks, people, version, lastSentAt } = law
  const name = app === null ? '' : ` of app ${plainText(app)}`
  switch (kind) {
    case 'law':
      return 'that of the file'
    case 'learned':
      return `learned from ${count(tasks, 'task')}${name} with ${number(people)} recipients, the latest sent ${showTime(lastSentAt)} (version ${version})`
    case 'pooled':
      return `learned from the other apps, since no task${name} has told anything yet (version ${version})`
    case 'prior':
      return `assumed: most people read in office hours. Nothing has been learned${name} yet`
    default:
      return kind satisfies never
  }
}

function describePlacing({ placedBy, compare, polls }: Forecast): string {
  const { meanBracketMinutes: learned } = compare.learned
  const better = `SCHEDULE=learned would bring the average to ${duration(learned)} with as many polls`
  if (placedBy === 'growing') return `${polls} a task, with growing gaps. ${better}`
  if (placedBy === 'custom') return `${polls} a task, as POLL_TIMES says. ${better}`
  return `${polls} a task, where they tell most`
}

function describeTarget({ targetWidthMinutes: target, meanBracketMinutes: width, polls }: Forecast): string | null {
  if (target === null) return null
  return width <= target
    ? `${duration(target)}, with the fewest polls`
    : `${duration(target)} is not reached: at most ${polls} polls are allowed`
}

function describeAges({ reportAges }: Forecast): string | null {
  const names = (isCovered: boolean): string =>
    reportAges
      .filter((age) => age.isCovered === isCovered)
      .map(({ minutes }) => formatDuration(minutes * MINUTE_MS))
      .join(', ')
  const [covered, others] = [names(true), names(false)]
  const parts = [covered === '' ? '' : `a poll right after ${covered}`, others === '' ? '' : `none planned for ${others}`]
  return reportAges.length === 0 ? null : parts.filter((part) => part !== '').join('; ')
}

function describeLastTask({ batches, polls }: Forecast): string | null {
  const [, rest] = batches
  if (rest === undefined) return null
  return `${count(rest.recipients, 'recipient')}${rest.polls === polls ? '' : `, ${count(rest.polls, 'poll')}`}`
}

function describeBudget({ budget, calls, price }: Forecast): string | null {
  if (budget === null) return null
  const { monthlyCallBudget, callsUsed, share, isEnough } = budget
  const part = `${formatRate(share)} of the month's ${number(monthlyCallBudget)} calls`
  const left = callsUsed === null ? '' : `, of which ${number(Math.max(0, monthlyCallBudget - callsUsed))} are left`
  const lack = isEnough === false ? `: too few for ${number(Math.round(calls))} calls. Send later, or give --polls` : ''
  const why = price === null ? '' : '. The budget decided about the number of polls'
  return `${part}${left}${lack}${why}`
}

interface Compared extends ScheduleFigures {
  readonly name: string
}

const OTHERS: Readonly<Record<ComparedSchedule, string>> = {
  growing: 'growing gaps',
  backOff: '1 min, then ×1.5',
  hourly: 'every hour',
  quarterHourly: 'every 15 min',
}

function comparisonTable(forecast: Forecast, { colors, width }: Display): string {
  const { compare, placedBy } = forecast
  const isByLaw = placedBy !== 'growing' && placedBy !== 'custom'
  const rows: Compared[] = [
    { ...forecast, name: 'this plan' },
    ...(isByLaw ? [] : [{ ...compare.learned, name: 'SCHEDULE=learned' }]),
    ...(['growing', 'backOff', 'hourly', 'quarterHourly'] as const)
      .filter((name) => name !== placedBy)
      .map((name) => ({ ...compare[name], name: OTHERS[name] })),
  ]
  const numeric = (title: string, spare: number, show: (row: Compared) => string): Column<Compared> => ({
    ...{ title, align: 'right', show },
    ...(spare > 0 && { spare }),
  })
  const columns: ReadonlyArray<Column<Compared>> = [
    { title: 'Schedule', show: ({ name }) => name },
    numeric('Polls', 2, ({ polls }) => number(polls)),
    numeric('Calls', 0, ({ calls }) => number(Math.round(calls))),
    numeric('Mean bracket', 0, ({ meanBracketMinutes }) => duration(meanBracketMinutes)),
    numeric('Mean delay', 1, ({ meanDelayMinutes }) => duration(meanDelayMinutes)),
    numeric('Longest gap', 3, ({ longestGapMinutes }) => duration(longestGapMinutes)),
  ]
  return renderTable(columns, rows, colors, width)
}

/** A line for each day. */
function pollFacts({ pollsMinutes, sentAt }: Forecast, { localAt, timeZone }: LocalClock): Fact[] {
  const sentMs = localAt(sentAt)
  const days = new Map<string, string[]>()
  for (const minutes of pollsMinutes) {
    const local = new Date(sentMs + minutes * MINUTE_MS)
    const day = `${DAYS[local.getUTCDay()]} ${local.toISOString().slice(5, 10)}`
    days.set(day, [...(days.get(day) ?? []), local.toISOString().slice(11, 16)])
  }
  const sent = new Date(sentMs).toISOString()
  return [
    ['Sent', `${sent.slice(0, 10)} ${sent.slice(11, 16)} ${timeZone}`],
    ...[...days].map(([day, times]): Fact => [day, times.join('  ')]),
  ]
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'] as const

/** Below ten minutes a tenth counts. */
function duration(minutes: number): string {
  const text = minutes < 10 ? `${Number(minutes.toFixed(1))} min` : showDuration(minutes * MINUTE_MS)
  return text.replaceAll(' ', NO_BREAK)
}

function count(amount: number, what: string): string {
  return `${number(amount)} ${what}${amount === 1 ? '' : 's'}`
}

function number(value: number): string {
  return value.toLocaleString('en')
}
