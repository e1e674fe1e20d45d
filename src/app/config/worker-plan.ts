import { z } from 'zod'
import { describeKind } from '../../domain/quote.ts'
import type { PollTimes } from '../../domain/schedule/custom.ts'
import { appBudgetFaults } from './budgets.ts'
import { callback, field, listOf, optionalField, rightOrUndefined, valueAt } from './fields.ts'
import { dayFaults } from './free-days.ts'
import { scheduleFaults } from './schedule.ts'
import {
  ascending,
  CALLS_USED_ELSEWHERE,
  DEFAULT_REPORT_AGES_MS,
  MAX_AGES,
  MAX_POLLS,
  POLL_TIME,
  REPORT_AGE,
  SCHEDULE_SETTINGS,
} from './schedule-values.ts'
import { DAY, MONTHLY_CALL_BUDGET } from './values.ts'

/** The options of `createWorker` for the plan of polls, by the rules of the environment. */

/** Durations are texts, as in the environment. */
const reportAges = listOf(field(REPORT_AGE, 'program'), 'durations')
  .max(MAX_AGES, `has too many ages. Give at most ${MAX_AGES}.`)
  .transform(ascending)
const pollTimesList = listOf(field(POLL_TIME, 'program'), 'durations')
  .min(1, 'is empty: give a poll, or leave it out.')
  .max(MAX_POLLS, `has too many polls. Give at most ${MAX_POLLS}.`)
  .transform(ascending)
/** A function, or a list for all tasks. */
const pollTimes = z.unknown().transform((value, context): readonly number[] | PollTimes => {
  if (typeof value !== 'function' && !Array.isArray(value)) {
    context.addIssue(`must be a function that returns minutes or moments, or a list of durations, not ${describeKind(value)}.`)
    return z.NEVER
  }
  const schema = typeof value === 'function' ? callback<PollTimes>('minutes or moments') : pollTimesList
  const { data, error } = z.safeParse<z.ZodType<readonly number[] | PollTimes>>(schema, value)
  for (const { path, message } of error?.issues ?? []) context.addIssue({ code: 'custom', message, path: [...path] })
  return data ?? z.NEVER
})
const dayList = listOf(field(DAY, 'program'), 'days').default([])

/** How polls are planned, and the organisation's calendar. */
export const PLAN_FIELDS = {
  schedule: optionalField(SCHEDULE_SETTINGS.schedule, 'program'),
  pollsPerTask: optionalField(SCHEDULE_SETTINGS.pollsPerTask, 'program'),
  targetWidth: optionalField(SCHEDULE_SETTINGS.targetWidth, 'program'),
  reportAges: reportAges.default([...DEFAULT_REPORT_AGES_MS]),
  maxGap: optionalField(SCHEDULE_SETTINGS.maxGap, 'program'),
  pollTimes: pollTimes.nullable().default(null),
  organisationTimeZone: optionalField(SCHEDULE_SETTINGS.organisationTimeZone, 'program'),
  freeDays: dayList,
  workDays: dayList,
  clockStart: optionalField(SCHEDULE_SETTINGS.clockStart, 'program'),
}

const budgetFields = z.object({
  monthlyCallBudget: field(MONTHLY_CALL_BUDGET, 'program').nullish(),
  callsUsedElsewhere: field(CALLS_USED_ELSEWHERE, 'program').nullish(),
})
const BUDGET_NAMES = { monthlyCallBudget: 'monthlyCallBudget', callsUsedElsewhere: 'callsUsedElsewhere' }
const NO_BUDGET = { monthlyCallBudget: null, callsUsedElsewhere: null }

/** Apps whose other programs use calls of no budget, or all of it. */
export function callFaults(apps: unknown): string[] {
  return (Array.isArray(apps) ? apps : []).flatMap((app: unknown, i) => {
    const entry = rightOrUndefined(budgetFields, app)
    return entry === undefined ? [] : appBudgetFaults(entry, `apps[${i}]`, NO_BUDGET, BUDGET_NAMES)
  })
}

const NAMES = {
  schedule: 'schedule',
  pollsPerTask: 'pollsPerTask',
  targetWidth: 'targetWidth',
  maxGap: 'maxGap',
  pollTimes: 'pollTimes',
}

/** Options of the plan that are right each in itself and contradict each other. */
export function planFaults(given: unknown): string[] {
  const right = {
    schedule: rightOrUndefined(PLAN_FIELDS.schedule, valueAt(given, 'schedule')),
    pollsPerTask: rightOrUndefined(PLAN_FIELDS.pollsPerTask, valueAt(given, 'pollsPerTask')),
    targetWidth: rightOrUndefined(PLAN_FIELDS.targetWidth, valueAt(given, 'targetWidth')),
    maxGap: rightOrUndefined(PLAN_FIELDS.maxGap, valueAt(given, 'maxGap')),
    pollTimes: rightOrUndefined(PLAN_FIELDS.pollTimes, valueAt(given, 'pollTimes')),
  }
  const apps = valueAt(given, 'apps')
  const haveBudgets = Array.isArray(apps) && apps.every((app: unknown) => typeof valueAt(app, 'monthlyCallBudget') === 'number')
  const freeDays = rightOrUndefined(PLAN_FIELDS.freeDays, valueAt(given, 'freeDays')) ?? []
  const workDays = rightOrUndefined(PLAN_FIELDS.workDays, valueAt(given, 'workDays')) ?? []
  return [
    ...scheduleFaults(NAMES, right, haveBudgets),
    ...dayFaults({ freeDays: 'freeDays', workDays: 'workDays' }, { freeDays, workDays }),
  ]
}
