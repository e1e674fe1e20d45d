import { HOUR_MS, MINUTE_MS } from '../../domain/delivery.ts'
import { describeDurations, parseDuration } from '../../domain/duration.ts'
import { TARGET_WIDTH_MS } from '../../domain/schedule/place.ts'
import { parseClockStart, SHARED_CLOCK_START_FORM } from '../../lib/simulated-clock.ts'
import { parseTimeZone } from '../../report/zoned-time.ts'
import { listOf, matching, oneOf, setting, text, type Value, wholeNumber } from './values.ts'

/** What the settings of the schedule accept. Durations are milliseconds of the 24 hours after a send. */

/** Hours, minutes and seconds, each at most once, in this order. The result is in milliseconds. */
function duration(minMs: number, maxMs: number): Value<number> {
  return text(describeDurations(minMs, maxMs), (given) => {
    const ms = parseDuration(given)
    return ms !== undefined && ms >= minMs && ms <= maxMs ? ms : undefined
  })
}

/** `learned`: from when people read. `growing`: the same gaps for all tasks, which grow. `custom`: given times. */
export type ScheduleKind = (typeof SCHEDULE_KINDS)[number]
const SCHEDULE_KINDS = ['learned', 'growing', 'custom'] as const

/** The mean bracket that is aimed at. */
export const TARGET_WIDTH = duration(TARGET_WIDTH_MS.min, TARGET_WIDTH_MS.max)
/** An age at which the share of readers is reported. */
export const REPORT_AGE = duration(5 * MINUTE_MS, 23 * HOUR_MS)
/** The longest time between two polls. */
const MAX_GAP = duration(10 * MINUTE_MS, 24 * HOUR_MS)
/** A poll of a plan that is given, since the send. */
export const POLL_TIME = duration(MINUTE_MS, 24 * HOUR_MS - MINUTE_MS)
export const MAX_AGES = 12
/** Of one task. */
export const MAX_POLLS = 500
/** Soft: a plan with few polls may have a longer gap. */
export const DEFAULT_MAX_GAP_MS = 6 * HOUR_MS
export const DEFAULT_REPORT_AGES_MS: readonly number[] = [HOUR_MS, 4 * HOUR_MS]

/** Ascending, each once. */
export function ascending(offsetsMs: readonly number[]): number[] {
  return [...new Set(offsetsMs)].toSorted((a, b) => a - b)
}

/** @param most how many there may be */
function durationList(item: Value<number>, most: number, others: string): Value<readonly number[]> {
  const list = listOf(item, '')
  return text(`at most ${most} durations, separated by commas${others}; each ${item.accepted}`, (given) => {
    const items = list.parse(given)
    return items !== undefined && items.length <= most ? ascending(items) : undefined
  })
}

const AGES = durationList(REPORT_AGE, MAX_AGES, ', or none')
/** Empty: no ages. */
export const REPORT_AGES: Value<readonly number[]> = {
  ...AGES,
  parse: (given) => (given === '' || given === 'none' ? [] : AGES.parse(given)),
}

export const POLL_TIMES = durationList(POLL_TIME, MAX_POLLS, '')

/** What other programs use of an organisation's calls a month. */
export type CallsElsewhere =
  | { readonly kind: 'calls'; readonly calls: number }
  /** Of the budget, from 0 to less than 1. */
  | { readonly kind: 'share'; readonly share: number }

const CALLS = wholeNumber(0, 1_000_000_000)

export const CALLS_USED_ELSEWHERE: Value<CallsElsewhere> = {
  ...text<CallsElsewhere>('a whole number of calls a month from 0 to 1000000000, or a share of the budget from 0% to 99%', (given) => {
    const [, percent] = /^(\d{1,2}(?:\.\d{1,3})?)\s?%$/.exec(given) ?? []
    if (percent !== undefined) return Number(percent) <= 99 ? { kind: 'share', share: Number(percent) / 100 } : undefined
    const calls = /^\d{1,10}$/.test(given) ? CALLS.parse(given) : undefined
    return calls === undefined ? undefined : { kind: 'calls', calls }
  }),
  type: 'amount',
}

/** 5,000 · 0.07 is a little more than 350. */
const ROUNDING = 1e-6

/** The calls a month of a budget that other programs use, rounded up. */
export function countElsewhere(elsewhere: CallsElsewhere, budget: number): number {
  return elsewhere.kind === 'calls' ? elsewhere.calls : Math.ceil(budget * elsewhere.share - ROUNDING)
}

export function showElsewhere(elsewhere: CallsElsewhere): string {
  return elsewhere.kind === 'calls' ? `${elsewhere.calls}` : `${Number((elsewhere.share * 100).toFixed(3))}%`
}

/** An offset such as +08:00 is refused: whether it is taken depends on the release of Node, and it tells no country. */
const TIME_ZONE = text('the name of a time zone of the IANA database, such as Asia/Shanghai, Europe/Berlin or UTC', (given) => {
  if (!/^[A-Za-z]/.test(given)) return undefined
  try {
    return parseTimeZone(given, '')
  } catch {
    return undefined
  }
})

const CLOCK_START = text(SHARED_CLOCK_START_FORM, (given) => parseClockStart(given))

/** Settings that have the same meaning and default in the environment and in `createWorker`. */
export const SCHEDULE_SETTINGS = {
  schedule: setting(oneOf(SCHEDULE_KINDS), 'learned'),
  /** Null: the default, which depends on the budget. */
  pollsPerTask: setting(wholeNumber(1, MAX_POLLS), null),
  targetWidth: setting(TARGET_WIDTH, null),
  /** Null: {@link DEFAULT_MAX_GAP_MS}, soft. */
  maxGap: setting(MAX_GAP, null),
  organisationTimeZone: setting(TIME_ZONE, 'Asia/Shanghai'),
  clockStart: setting(CLOCK_START, null),
} as const

/** The path of a file with days off. */
export const FREE_DAYS_PATH = matching(/^\P{Cc}+$/u, 'the path of a JSON file such as {"free":["2027-02-08"],"work":["2027-02-06"]}')
