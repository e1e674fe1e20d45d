import type { CallForecast, CallWarning } from '../../domain/schedule/call-forecast.ts'
import type { Finding, Found } from '../../lib/finding.ts'
import { toFinding } from '../../lib/finding.ts'
import type { CallClock } from '../../store/call-clock.ts'
import { readCallForecasts } from '../../store/gauges.ts'
import { warning, withDatabaseTimeout } from './check.ts'
import type { DatabaseNeeds } from './database.ts'

/** What decides how long calls last. */
export interface Budgets {
  /** Calls a month by app; an app that is not in it has no budget. */
  readonly budgets: ReadonlyMap<string, number>
  /** By which months pass; null: the real one. */
  readonly callClock: CallClock | null
}

const MORE = 'Raise MONTHLY_CALL_BUDGET, or lower CALLS_USED_ELSEWHERE where other programs need less'
const RESUME = '"npx dingtalk-delivery resume --app NAME" then plans the refused tasks again'

const REMEDIES: Readonly<Record<CallWarning, string>> = {
  tasks_refused: `${MORE}, and restart the workers. ${RESUME}; later their 24 hours may be over.`,
  none_left: `${MORE}, and restart the workers. Until then a new task is only polled if a call is left over.`,
  tasks_beyond: `${MORE}, or send fewer tasks: up to 100 recipients fit into one. Fewer polls for each task do not help, since each needs at least its final poll.`,
  used_up_early: `${MORE}, or plan fewer polls for each task: a lower POLLS_PER_TASK, or a larger TARGET_WIDTH. SCHEDULE=learned makes the calls last by itself.`,
}

/** One line for all apps, which probes and metrics know by its name. */
export function callBudgetCheck({ database, timeoutMs }: DatabaseNeeds, { budgets, callClock }: Budgets): Promise<Finding> {
  return warning('call budget', async () => {
    if (budgets.size === 0) return { detail: 'no app has a monthly call budget' }
    const forecasts = await withDatabaseTimeout(timeoutMs, readCallForecasts(database, budgets, callClock))
    const threatened = forecasts.filter((forecast) => forecast.warning !== null)
    const found = (threatened.length === 0 ? forecasts : threatened).map((forecast) => ({ ...describeCalls(forecast), app: forecast.app }))
    const detail = found.map((each) => (budgets.size === 1 ? each.detail : `${each.app}: ${each.detail}`)).join('. ')
    const remedy = found.flatMap((each) => ('remedy' in each ? [each.remedy] : []))
    return remedy.length === 0 ? { detail } : { detail, remedy: [...new Set(remedy)].join(' ') }
  })
}

/** A line for each app with a budget. Empty: the database does not answer, which its own check reports. */
export async function callBudgetFindings({ database, timeoutMs }: DatabaseNeeds, { budgets, callClock }: Budgets): Promise<Finding[]> {
  const forecasts = await withDatabaseTimeout(timeoutMs, readCallForecasts(database, budgets, callClock)).catch(() => [])
  return forecasts.map((forecast) => toFinding(`call budget of "${forecast.app}"`, describeCalls(forecast)))
}

export function describeCalls(forecast: CallForecast): Found {
  const { month, budget, used, reserved, usedUpAt, tasksAdmittable, tasksExpected, tasksRefused } = forecast
  const lasts = usedUpAt === null ? 'they last until the month ends' : `they are used up at ${usedUpAt.toISOString()}`
  const detail = [
    ...(tasksRefused === 0 ? [] : [`${tasksRefused} open tasks have no call for their final poll`]),
    `${used} of ${budget} calls are used in ${month}, ${reserved} are reserved for final polls`,
    `at the rate of the last 7 days ${lasts}`,
    `${tasksAdmittable} more tasks can be served, ${tasksExpected} are to be expected this month`,
  ].join('; ')
  return forecast.warning === null ? { detail } : { detail, remedy: REMEDIES[forecast.warning] }
}
