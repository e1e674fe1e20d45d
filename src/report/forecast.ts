import { HOUR_MS, MINUTE_MS } from '../domain/delivery.ts'
import { bracketWidthMs, expectedCalls } from '../domain/schedule/calls.ts'
import { buildComparedOffsets, type ComparedSchedule, longestGapMs, meanDelayMs, optimumWidthMs } from '../domain/schedule/compare.ts'
import { shareBy } from '../domain/schedule/curve.ts'
import { buildFamily, choosePlan, MEAN_FINAL_OFFSET_MS, mostPolls, type PlaceSettings } from '../domain/schedule/place.ts'
import type { PlacedBy } from '../domain/schedule/plan-detail.ts'
import { coveredAges } from '../domain/schedule/plan-family.ts'
import type { Curve, PollPlan } from '../domain/schedule/types.ts'

/** DingTalk reports at most so many recipients of a task: a campaign is sent in batches of as many. */
export const BATCH_RECIPIENTS = 100
/** Of one campaign; larger numbers are mistakes. */
export const MAX_FORECAST_RECIPIENTS = 10_000_000
/** The ages at which the expected share of readers is shown. */
const SHOWN_HOURS = [1, 4, 24] as const

/** What a forecast is asked for. */
export interface ForecastRequest {
  /** 1 to {@link MAX_FORECAST_RECIPIENTS}. */
  readonly recipients: number
  /** Default: now. */
  readonly sentAt?: Date | undefined
  /** Exactly so many polls a task, whatever the settings and the budget say. */
  readonly polls?: number | undefined
  /** The fewest polls that reach this mean bracket, whatever the budget says. Not beside `polls`. */
  readonly targetWidthMs?: number | undefined
  /** Default: the only app that there is. */
  readonly app?: string | undefined
}

/** Rejects with `SEVERAL_APPS` or `APP_NOT_FOUND`, or because the database does not answer. */
export type Forecaster = (request: ForecastRequest) => Promise<Forecast>

/** When recipients read, and from what that is known. */
export interface ForecastLaw {
  /**
   * `law`: it was given; `learned`: from tasks of the app; `pooled`: from those of the organisation's other apps; `prior`: assumed, before there is
   * any.
   */
  readonly kind: 'law' | 'learned' | 'pooled' | 'prior'
  /** What plans name; null where none was learned. */
  readonly version: number | null
  /** From how many ended tasks of the app it was learned, of how many delivered recipients. */
  readonly tasks: number
  readonly people: number
  /** When the latest of these tasks was sent; null: there is none. */
  readonly lastSentAt: Date | null
  readonly learnedAt: Date | null
}

/** How the polls are placed. */
export type Placing =
  /** Where they tell most. @see PlanDetail for the price */
  | { readonly by: 'law'; readonly price: number | null }
  /** With growing gaps. */
  | { readonly by: 'growing' }
  /** Where the program says, in milliseconds since the send, without the final poll. */
  | { readonly by: 'custom'; readonly offsetsMs: readonly number[] }

export interface MonthlyCalls {
  readonly monthlyCallBudget: number
  /** Calls that were made in the month of the send so far; null: not known. */
  readonly callsUsed: number | null
}

/** What a forecast is made from. */
export interface ForecastParts {
  /** Null: none is named, and there is not exactly one. */
  readonly app: string | null
  /** At least 1. */
  readonly recipients: number
  readonly sentAt: Date
  readonly law: ForecastLaw
  readonly curve: Curve
  readonly settings: PlaceSettings
  readonly placing: Placing
  /** Null: there is no monthly budget. */
  readonly budget: MonthlyCalls | null
}

/** What one schedule costs and tells. */
export interface ScheduleFigures {
  /** Of one task. */
  readonly polls: number
  /** Expected: a task ends with the poll that lists its last recipient as read. */
  readonly calls: number
  /** If no task ends early, without polls that fail and are repeated. */
  readonly callsAtMost: number
  /** Of those who read before the final poll: the time between the poll that shows the read and the one before. */
  readonly meanBracketMinutes: number
  /** From the read to the poll that shows it. */
  readonly meanDelayMinutes: number
  readonly longestGapMinutes: number
}

/** Tasks of one size. */
export interface ForecastBatch {
  readonly tasks: number
  readonly recipients: number
  readonly polls: number
}

/**
 * What a campaign will cost and tell. Durations are minutes of the 24-hour window. Figures of a plan are those of full batches: with a monthly budget a
 * smaller last batch may have fewer polls.
 */
export interface Forecast extends ScheduleFigures {
  readonly app: string | null
  readonly sentAt: Date
  readonly recipients: number
  readonly tasks: number
  readonly batches: readonly ForecastBatch[]
  readonly placedBy: PlacedBy
  /** The least mean bracket that as many polls can have, on a grid of 15 seconds. */
  readonly optimumMinutes: number
  /** The mean bracket that was asked for. Null: none was. Where `meanBracketMinutes` is larger, no allowed number of polls reaches it. */
  readonly targetWidthMinutes: number | null
  /** Of one task, ascending, the final one last. */
  readonly pollsMinutes: readonly number[]
  /** Covered: a poll shows the share of readers at that age. */
  readonly reportAges: ReadonlyArray<{ readonly minutes: number; readonly isCovered: boolean }>
  /** The share of recipients that is expected to have read so many hours after the send. */
  readonly readWithin: ReadonlyArray<{ readonly hours: number; readonly share: number }>
  readonly law: ForecastLaw
  /**
   * The same campaign with other schedules. `learned`: with as many polls, placed by the law; `growing`: with as many polls in growing gaps; `backOff`:
   * after one minute, then each gap 1.5 times the one before; `hourly` and `quarterHourly`: each 60 and 15 minutes.
   */
  readonly compare: Readonly<Record<'learned' | ComparedSchedule, ScheduleFigures>>
  /** What a call cost where a budget decided about the number of polls; null: none did. */
  readonly price: number | null
  /** Null: there is no monthly budget. */
  readonly budget: ForecastBudget | null
}

interface ForecastBudget extends MonthlyCalls {
  /** Expected calls of the campaign, as a share of the month's. */
  readonly share: number
  /** What is left of the month has room for all calls; null where it is not known. */
  readonly isEnough: boolean | null
}

/** The expected calls, brackets and delays of a campaign that is sent in batches of 100. */
export function buildForecast(parts: ForecastParts): Forecast {
  const { app, recipients, sentAt, law, curve, settings, placing, budget } = parts
  const family = familyOf(parts)
  const price = placing.by === 'law' ? placing.price : null
  const planFor = (people: number): PollPlan => choosePlan(family, settings, { curve, people, price })
  const sizes = batchesOf(recipients)
  const plan = planFor(Math.min(recipients, BATCH_RECIPIENTS))
  const figures = figuresOf(curve, sizes, plan, planFor)
  return {
    ...{ app, sentAt, recipients, law, price },
    ...figures,
    tasks: sizes.reduce((sum, { tasks }) => sum + tasks, 0),
    batches: sizes.map((size) => ({ ...size, polls: planFor(size.recipients).offsetsMs.length })),
    placedBy: placedBy(law, placing),
    optimumMinutes: toMinutes(optimumWidthMs(curve, MEAN_FINAL_OFFSET_MS, figures.polls)),
    targetWidthMinutes: settings.targetWidthMs === null ? null : toMinutes(settings.targetWidthMs),
    pollsMinutes: plan.offsetsMs.map(toMinutes),
    reportAges: agesOf(plan, settings.reportAgesMs),
    readWithin: SHOWN_HOURS.map((hours) => ({ hours, share: rounded(shareBy(curve, hours * HOUR_MS)) })),
    compare: compareWith(parts, sizes, plan),
    budget: budget && { ...budget, share: rounded(figures.calls / budget.monthlyCallBudget), isEnough: isEnough(budget, figures.calls) },
  }
}

/** The plans that may be chosen from, that of n polls at index n − 1. */
function familyOf({ curve, settings, placing }: ForecastParts): PollPlan[] {
  if (placing.by === 'law') return buildFamily(curve, settings, { finalOffsetMs: MEAN_FINAL_OFFSET_MS, hasPrice: placing.price !== null })
  if (placing.by === 'custom')
    return [planAt(curve, [...placing.offsetsMs.filter((offsetMs) => offsetMs < MEAN_FINAL_OFFSET_MS), MEAN_FINAL_OFFSET_MS])]
  const most = mostPolls(settings, false)
  // Without a target width there is one to choose from.
  const fewest = settings.targetWidthMs === null ? most : 1
  return Array.from({ length: most - fewest + 1 }, (_, i) => planAt(curve, buildComparedOffsets(fewest + i, MEAN_FINAL_OFFSET_MS).growing))
}

function planAt(curve: Curve, offsetsMs: readonly number[]): PollPlan {
  return { offsetsMs, widthMs: bracketWidthMs(curve, offsetsMs) }
}

function placedBy({ kind }: ForecastLaw, { by }: Placing): PlacedBy {
  if (by !== 'law') return by
  return kind === 'pooled' ? 'learned' : kind
}

/** Full batches, and what is left over. */
function batchesOf(recipients: number): Array<Omit<ForecastBatch, 'polls'>> {
  const full = Math.floor(recipients / BATCH_RECIPIENTS)
  const rest = recipients - full * BATCH_RECIPIENTS
  return [...(full > 0 ? [{ tasks: full, recipients: BATCH_RECIPIENTS }] : []), ...(rest > 0 ? [{ tasks: 1, recipients: rest }] : [])]
}

/** The calls are those of all batches; all else is that of one plan. @param planFor the plan of a batch of so many recipients */
function figuresOf(
  curve: Curve,
  sizes: ReadonlyArray<Omit<ForecastBatch, 'polls'>>,
  plan: PollPlan,
  planFor: (people: number) => PollPlan = () => plan,
): ScheduleFigures {
  const sum = (callsOf: (offsetsMs: readonly number[], recipients: number) => number): number =>
    sizes.reduce((calls, { tasks, recipients }) => calls + tasks * callsOf(planFor(recipients).offsetsMs, recipients), 0)
  return {
    polls: plan.offsetsMs.length,
    calls: rounded(
      sum((offsetsMs, recipients) => expectedCalls(curve, offsetsMs, recipients)),
      2,
    ),
    callsAtMost: sum((offsetsMs) => offsetsMs.length),
    meanBracketMinutes: toMinutes(plan.widthMs),
    meanDelayMinutes: toMinutes(meanDelayMs(curve, plan.offsetsMs)),
    longestGapMinutes: toMinutes(longestGapMs(plan.offsetsMs)),
  }
}

/** @param plan of the forecast */
function compareWith(
  { curve, settings, placing }: ForecastParts,
  sizes: ReturnType<typeof batchesOf>,
  plan: PollPlan,
): Forecast['compare'] {
  const polls = plan.offsetsMs.length
  const withPlan = (compared: PollPlan): ScheduleFigures => figuresOf(curve, sizes, compared)
  const { growing, backOff, hourly, quarterHourly } = buildComparedOffsets(polls, MEAN_FINAL_OFFSET_MS)
  return {
    learned: withPlan(placing.by === 'law' ? plan : placeByLaw(curve, settings, polls)),
    growing: withPlan(planAt(curve, growing)),
    backOff: withPlan(planAt(curve, backOff)),
    hourly: withPlan(planAt(curve, hourly)),
    quarterHourly: withPlan(planAt(curve, quarterHourly)),
  }
}

function placeByLaw(curve: Curve, settings: PlaceSettings, polls: number): PollPlan {
  const exact = { ...settings, pollsPerTask: polls, targetWidthMs: null }
  const family = buildFamily(curve, exact, { finalOffsetMs: MEAN_FINAL_OFFSET_MS, hasPrice: false })
  return choosePlan(family, exact, { curve, people: BATCH_RECIPIENTS, price: null })
}

function agesOf(plan: PollPlan, agesMs: readonly number[]): Forecast['reportAges'] {
  const covered = new Set(coveredAges(plan, agesMs))
  return agesMs.map((ageMs) => ({ minutes: toMinutes(ageMs), isCovered: covered.has(ageMs) }))
}

function isEnough({ monthlyCallBudget, callsUsed }: MonthlyCalls, calls: number): boolean | null {
  return callsUsed === null ? null : calls <= monthlyCallBudget - callsUsed
}

/** Plans are exact to milliseconds. */
const DIGITS = 5

function rounded(value: number, digits = DIGITS): number {
  return Number(value.toFixed(digits))
}

function toMinutes(ms: number): number {
  return rounded(ms / MINUTE_MS)
}
