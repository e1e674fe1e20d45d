import { HOUR_MS, MINUTE_MS } from '../../domain/delivery.ts'
import { formatDuration } from '../../domain/duration.ts'
import type { PollTimes } from '../../domain/schedule/custom.ts'
import { mostPolls, type PlaceSettings } from '../../domain/schedule/place.ts'
import type { ClockStart } from '../../lib/simulated-clock.ts'
import type { CalendarSettings } from '../calendar.ts'
import type { GivenDays } from './free-days.ts'
import { DEFAULT_MAX_GAP_MS, type ScheduleKind } from './schedule-values.ts'

/** How polls are planned. Durations are milliseconds of the 24 hours after a send: the time scale divides them. */
export interface ScheduleSettings extends PlaceSettings {
  readonly kind: ScheduleKind
  /** Ages at which the share of readers is reported, ascending; a learned plan of 24 polls or more has a poll at each. Empty: none. */
  readonly reportAgesMs: readonly number[]
  /** The longest time between two polls. One that is given is hard. */
  readonly maxGap: PlaceSettings['maxGap']
  /** Of the kind `custom`; null for the others. */
  readonly pollTimes: PollTimes | null
  readonly calendar: CalendarSettings
}

/** The latest offset of a final poll: a plan must reach it. */
const LATEST_FINAL_MS = 24 * HOUR_MS - 5 * MINUTE_MS

export interface GivenSchedule {
  readonly schedule: ScheduleKind
  readonly pollsPerTask: number | null
  readonly targetWidth: number | null
  readonly reportAges: readonly number[]
  readonly maxGap: number | null
  /** Offsets in milliseconds, or a program's function. */
  readonly pollTimes: readonly number[] | PollTimes | null
  readonly organisationTimeZone: string
  readonly clockStart: ClockStart | null
}

export function completeSchedule(given: GivenSchedule, days: GivenDays): ScheduleSettings {
  const { schedule: kind, pollsPerTask, targetWidth, reportAges, maxGap, pollTimes, organisationTimeZone: timeZone, clockStart } = given
  return {
    ...{ kind, pollsPerTask, targetWidthMs: targetWidth, reportAgesMs: reportAges },
    maxGap: { ms: maxGap ?? DEFAULT_MAX_GAP_MS, isHard: maxGap !== null },
    pollTimes: pollTimes === null || typeof pollTimes === 'function' ? pollTimes : sameTimes(pollTimes),
    calendar: { timeZone, freeDays: days.freeDays, workDays: days.workDays, clockStart },
  }
}

/** A program's function gives minutes, so the list that holds for all tasks does too. */
function sameTimes(offsetsMs: readonly number[]): PollTimes {
  const minutes = offsetsMs.map((offset) => offset / MINUTE_MS)
  return () => minutes
}

/** What the settings are called where they are given. */
export type ScheduleNames = Readonly<Record<'schedule' | 'pollsPerTask' | 'targetWidth' | 'maxGap' | 'pollTimes', string>>

/** Undefined: wrong in itself. */
type RightSchedule = { readonly [Name in keyof ScheduleNames]: GivenSchedule[Name] | undefined }

/** The kind of schedule that a setting belongs to. */
const NEEDS = { targetWidth: 'learned', maxGap: 'learned', pollTimes: 'custom' } as const satisfies Partial<
  Record<keyof ScheduleNames, ScheduleKind>
>

/**
 * Settings that are right each in itself and contradict each other.
 * @param hasBudget whether a monthly budget decides about the polls
 */
export function scheduleFaults(names: ScheduleNames, given: RightSchedule, hasBudget: boolean): string[] {
  const { schedule: kind } = given
  if (kind === undefined) return []
  const unused = (['targetWidth', 'maxGap', 'pollTimes'] as const)
    .filter((name) => kind !== NEEDS[name] && isGiven(given[name]))
    .map((name) => {
      const needed = NEEDS[name]
      return `${names[name]} is given, and ${names.schedule} is ${kind}. Give ${names.schedule} as ${needed}, or leave ${names[name]} out.`
    })
  const isMissing = kind === 'custom' && given.pollTimes === null
  const missing = `${names.schedule} is custom, and ${names.pollTimes} is missing. Give it, or leave ${names.schedule} out.`
  return [...unused, ...(isMissing ? [missing] : []), ...(kind === 'learned' ? gapFaults(names, given, hasBudget) : [])]
}

function isGiven<T>(value: T | null | undefined): value is T {
  return value !== null && value !== undefined
}

function gapFaults(names: ScheduleNames, { maxGap, pollsPerTask, targetWidth }: RightSchedule, hasBudget: boolean): string[] {
  if (!isGiven(maxGap) || pollsPerTask === undefined || targetWidth === undefined) return []
  const most = mostPolls({ pollsPerTask, targetWidthMs: targetWidth }, hasBudget)
  const needed = Math.ceil(LATEST_FINAL_MS / maxGap)
  if (needed <= most) return []
  const remedy = `Give ${names.pollsPerTask} as ${needed} or more, or a longer ${names.maxGap}.`
  return [
    `${names.maxGap} is ${formatDuration(maxGap)}, which needs ${needed} polls a task, and ${names.pollsPerTask} is ${most}. ${remedy}`,
  ]
}

/** As the log shows it. */
export function describeSchedule({ pollTimes, calendar, ...plain }: ScheduleSettings): Record<string, unknown> {
  const { freeDays, workDays, ...others } = calendar
  return { ...plain, isPollTimesGiven: pollTimes !== null, calendar: { ...others, freeDays: freeDays.length, workDays: workDays.length } }
}
