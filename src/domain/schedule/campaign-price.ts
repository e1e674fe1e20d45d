import { expectedCalls } from './calls.ts'
import { assumedPerWorkDay, forecastDemand } from './demand.ts'
import { buildFamily, MEAN_FINAL_OFFSET_MS, type PlaceSettings } from './place.ts'
import { priceOf, priceSteps } from './price.ts'
import type { Calendar, Curve } from './types.ts'

/** A campaign of an app whose tasks have no price yet. */
export interface CampaignToPrice {
  readonly curve: Curve
  readonly settings: PlaceSettings
  readonly tasks: number
  /** Recipients of one task. */
  readonly people: number
  /** Calls a month. */
  readonly budget: number
  /** Calls of the month of the send that are not used yet. */
  readonly left: number
  /** Tasks whose final poll is still to come. */
  readonly openTasks: number
  readonly sentAt: Date
  readonly calendar: Calendar
}

/**
 * The price of a call for a campaign that is sent now, where no task tells it: the other tasks of the month are assumed to be as many as the budget
 * is enough for, see {@link assumedPerWorkDay}.
 */
export function priceOfCampaign({ curve, settings, tasks, people, budget, left, openTasks, sentAt, calendar }: CampaignToPrice): number {
  const nowMs = calendar.localAt(sentAt)
  const month = findMonth(nowMs)
  const plans = buildFamily(curve, settings, { finalOffsetMs: MEAN_FINAL_OFFSET_MS, hasPrice: true })
  const steps = priceSteps(
    plans.map(({ offsetsMs, widthMs }) => ({ calls: expectedCalls(curve, offsetsMs, people), widthMs })),
    people,
  )
  const demand = forecastDemand({
    ...{ counts: [], waiting: tasks - 1, sinceMs: nowMs, nowMs, month, assumedPerWorkDay: assumedPerWorkDay(budget) },
    isFreeDay: calendar.isFreeDay,
  })
  return priceOf({
    ...{ budget, left, committed: openTasks, finalPolls: openTasks, endsInMs: month.endMs - nowMs, demand },
    ...{ typical: steps, own: steps },
  })
}

/** The month of a local time. */
function findMonth(localMs: number): { readonly startMs: number; readonly endMs: number } {
  const local = new Date(localMs)
  const [year, month] = [local.getUTCFullYear(), local.getUTCMonth()]
  return { startMs: Date.UTC(year, month), endMs: Date.UTC(year, month + 1) }
}
