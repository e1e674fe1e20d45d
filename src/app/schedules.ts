import type { ScheduleOptions } from '../store/reading/schedule.ts'
import { createCalendar } from './calendar.ts'
import type { Config } from './config/config.ts'

/** What a process that shows poll plans needs of its configuration. @param budgets monthly call budgets by app */
export function scheduleOptions(
  { schedule, timeScale, apps }: Pick<Config, 'schedule' | 'timeScale' | 'apps'>,
  budgets: ReadonlyMap<string, number>,
  now: () => Date,
): ScheduleOptions {
  const calendar = createCalendar(schedule.calendar, timeScale)
  return { settings: schedule, calendar, timeScale, apps: apps.map(({ name }) => name), hasBudget: (app) => budgets.has(app), now }
}
