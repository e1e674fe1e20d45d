import type { CallForecast, CallWarning } from '../domain/schedule/call-forecast.ts'
import type { Logger } from './logger.ts'

export interface CallWatchDeps {
  readonly read: () => Promise<readonly CallForecast[]>
  readonly log: Pick<Logger, 'info' | 'warn'>
  /** A monotonic clock in milliseconds. */
  readonly monotonicMs?: () => number
}

const DAY_MS = 86_400_000

/** Parts of the budget; each is logged once a month. */
const SHARES = [1, 0.9, 0.75] as const

const TEXTS: Readonly<Record<CallWarning, string>> = {
  tasks_refused:
    'open tasks have no call for their final poll: MONTHLY_CALL_BUDGET leaves none. Raise it, restart the workers and resume the app',
  none_left: 'MONTHLY_CALL_BUDGET has no call left for another task: a new one is polled only if a call is left over',
  tasks_beyond: 'MONTHLY_CALL_BUDGET is not enough for the tasks to be expected this month, at the rate of the last 7 days',
  used_up_early: 'MONTHLY_CALL_BUDGET will be used up before the month ends, at the rate of the last 7 days',
}

/**
 * Logs what operators should know of the month's calls: a warning when it begins and once a day while it lasts, and each part of the budget that is
 * used, once a month. Of a process that was restarted it is logged again.
 * @returns reads and logs once; rejects where the database does not answer
 */
export function createCallWatch({ read, log, monotonicMs = () => performance.now() }: CallWatchDeps): () => Promise<void> {
  const warned = new Map<string, { readonly warning: CallWarning; readonly atMs: number }>()
  const reached = new Map<string, string>()
  return async () => {
    for (const forecast of await read()) {
      logShare(forecast, reached, log)
      const { app, warning } = forecast
      const last = warned.get(app)
      if (warning === null) warned.delete(app)
      else if (last?.warning !== warning || monotonicMs() - last.atMs >= DAY_MS) {
        warned.set(app, { warning, atMs: monotonicMs() })
        log.warn({ ...fieldsOf(forecast), warning }, TEXTS[warning])
      }
    }
  }
}

function logShare(forecast: CallForecast, reached: Map<string, string>, log: CallWatchDeps['log']): void {
  const { app, month, usedShare } = forecast
  const share = SHARES.find((each) => usedShare >= each)
  if (share === undefined || reached.get(app) === `${month} ${share}`) return
  reached.set(app, `${month} ${share}`)
  log.info(fieldsOf(forecast), `${100 * share} % of the month's calls are used`)
}

function fieldsOf({ app, month, budget, used, reserved, usedUpAt, tasksAdmittable, tasksExpected, tasksRefused }: CallForecast) {
  return { app, month, budget, used, reserved, usedUpAt: usedUpAt?.toISOString() ?? null, tasksAdmittable, tasksExpected, tasksRefused }
}
