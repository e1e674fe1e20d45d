import { Gauge, type Registry } from 'prom-client'
import type { CallForecast } from '../../domain/schedule/call-forecast.ts'
import { PAUSE_KINDS } from '../../report/rates.ts'
import { APP_NAME, boundedLabel, MAX_APPS, PREFIX } from './events.ts'

/** Gauges from the database: the same in every process. */
export interface Gauges {
  readonly tasks: ReadonlyArray<{ readonly app: string; readonly status: string; readonly count: number }>
  readonly overdue: number
  /** Tasks without a successful poll although one was planned. */
  readonly blind: { readonly open: number; readonly ended: number }
  /** Apps with a monthly budget only. */
  readonly calls: readonly CallForecast[]
  readonly apps: ReadonlyArray<{
    readonly app: string
    readonly callsUsed: number
    /** Null: not paused. */
    readonly pauseKind: string | null
  }>
  /** Open tasks by their problem. */
  readonly problems: ReadonlyArray<{ readonly app: string; readonly problem: string; readonly count: number }>
  /** What was learned of when people read. */
  readonly laws: ReadonlyArray<{ readonly app: string; readonly tasks: number; readonly ageSeconds: number }>
  /** Agent ids that are paused, and running workers that cannot poll the app. */
  readonly pausedScopes: ReadonlyArray<{ readonly app: string; readonly pairs: number; readonly workers: number }>
}

/** One line of the health report. */
export interface Check {
  readonly name: string
  readonly ok: boolean
  readonly warning?: boolean
}

/** Gauges of this process. */
export interface ProcessGauges {
  /** How far the system clock is ahead of the database's. Null: not known. */
  readonly clockDifferenceMs: number | null
  /** Statements that wait for a connection of the pool. */
  readonly poolWaiting: number
}

export interface GaugeMetrics {
  /** Null: not known now, so the gauges are left out. */
  setDatabase(values: Gauges | null): void
  setHealth(checks: readonly Check[] | null): void
  setProcess(values: ProcessGauges | null): void
  setRefusedJobs(count: number | null): void
}

export function createGaugeMetrics(registry: Registry): GaugeMetrics {
  const gauges = collectorsIn(registry)
  const { tasks, overdue, blind, budget, calls, used, paused, problems, laws, scopes, health, warnings } = gauges
  const { clock, waiting, refused } = gauges
  const appOf = boundedLabel(MAX_APPS, APP_NAME)
  return {
    setDatabase(values) {
      const all = [tasks, blind, budget, ...Object.values(calls), used, paused, problems, ...Object.values(laws), scopes]
      for (const labelled of all) labelled.reset()
      // A gauge without labels goes back to 0 otherwise, which would be wrong.
      overdue.remove()
      if (values === null) return
      // Added, not set: apps beyond the limit share a label.
      for (const { app, status, count } of values.tasks) tasks.inc({ app: appOf(app), status }, count)
      overdue.set(values.overdue)
      for (const [kind, count] of Object.entries(values.blind)) blind.set({ kind }, count)
      for (const forecast of values.calls) budget.inc({ app: appOf(forecast.app) }, forecast.left)
      setCalls(calls, values.calls, appOf)
      for (const { app, callsUsed, pauseKind } of values.apps) {
        used.inc({ app: appOf(app) }, callsUsed)
        // Every kind for every app, so that the end of a pause is a 0 and not a gap.
        for (const kind of PAUSE_KINDS) paused.inc({ app: appOf(app), kind }, kind === pauseKind ? 1 : 0)
      }
      for (const { app, problem, count } of values.problems) problems.inc({ app: appOf(app), problem }, count)
      setLaws(laws, values.laws, appOf)
      for (const { app, pairs, workers } of values.pausedScopes) {
        scopes.inc({ app: appOf(app), scope: 'pair' }, pairs)
        scopes.inc({ app: appOf(app), scope: 'worker' }, workers)
      }
    },
    setHealth(checks) {
      health.reset()
      warnings.reset()
      for (const { name, ok, warning = false } of checks ?? []) {
        health.set({ check: name }, ok ? 1 : 0)
        warnings.set({ check: name }, warning ? 1 : 0)
      }
    },
    setProcess(values) {
      clock.remove()
      waiting.remove()
      if (values === null) return
      waiting.set(values.poolWaiting)
      if (values.clockDifferenceMs !== null) clock.set(values.clockDifferenceMs / 1_000)
    },
    setRefusedJobs(count) {
      refused.remove()
      if (count !== null) refused.set(count)
    },
  }
}

/** What the month's calls are enough for. */
function setCalls(gauges: CallGauges, forecasts: readonly CallForecast[], appOf: (app: string) => string): void {
  const soonest = new Map<string, number>()
  for (const { reserved, planned, tasksAdmittable, tasksExpected, tasksRefused, ...forecast } of forecasts) {
    const app = appOf(forecast.app)
    gauges.reserved.inc({ app }, reserved)
    gauges.committed.inc({ app }, planned)
    gauges.admittable.inc({ app }, tasksAdmittable)
    gauges.expected.inc({ app }, tasksExpected)
    gauges.refused.inc({ app }, tasksRefused)
    soonest.set(app, Math.min(soonest.get(app) ?? Number.POSITIVE_INFINITY, lastsSeconds(forecast)))
  }
  for (const [app, seconds] of soonest) gauges.lasts.set({ app }, seconds)
}

function lastsSeconds({ usedUpAt, readAt, endsEarly }: Pick<CallForecast, 'usedUpAt' | 'readAt' | 'endsEarly'>): number {
  return usedUpAt === null || !endsEarly ? Number.POSITIVE_INFINITY : (usedUpAt.getTime() - readAt.getTime()) / 1_000
}

function setLaws({ tasks, age }: LawGauges, laws: Gauges['laws'], appOf: (app: string) => string): void {
  for (const law of laws) {
    tasks.inc({ app: appOf(law.app) }, law.tasks)
    age.set({ app: appOf(law.app) }, law.ageSeconds)
  }
}

type CreateGauge = <T extends string>(name: string, help: string, labelNames?: readonly T[]) => Gauge<T>

type LawGauges = ReturnType<typeof createLawGauges>

function createLawGauges(gauge: CreateGauge) {
  return {
    tasks: gauge('law_tasks', 'Ended tasks of the app from which was learned when its recipients read. 0: learned from the other apps.', [
      'app',
    ]),
    age: gauge('law_age_seconds', 'How long ago it was learned when the recipients of the app read: again after tasks of it have ended.', [
      'app',
    ]),
  }
}

type CallGauges = ReturnType<typeof collectorsIn>['calls']

function collectorsIn(registry: Registry) {
  const registers = [registry]
  const gauge: CreateGauge = (name, help, labelNames = []) => new Gauge({ name: `${PREFIX}${name}`, help, labelNames, registers })
  return {
    tasks: gauge('tasks', 'Tasks by status.', ['app', 'status']),
    overdue: gauge('tasks_overdue', 'Open tasks whose poll was due more than a minute ago and was not made yet.'),
    blind: gauge(
      'tasks_blind',
      'Tasks that were not seen in time: open without a successful poll for too long, or ended so in the last 24 hours.',
      ['kind'],
    ),
    budget: gauge('call_budget_remaining', 'Calls left of the monthly budget, for apps that have one.', ['app']),
    calls: {
      reserved: gauge(
        'call_budget_reserved',
        'Of the calls that remain: reserved for final polls of open tasks, a tenth for retries among them.',
        ['app'],
      ),
      committed: gauge(
        'call_budget_committed',
        'Polls that open tasks still have in their plans in this month. Tasks that end early need fewer.',
        ['app'],
      ),
      lasts: gauge(
        'call_budget_lasts_seconds',
        'When the calls are used up if they go on as in the last 7 days. +Inf: at the earliest a day before the month ends.',
        ['app'],
      ),
      admittable: gauge('tasks_admittable', 'How many more tasks the budget has a call for.', ['app']),
      expected: gauge(
        'tasks_expected',
        'How many more tasks come in this month, if they come as in the last 7 days; for apps with a budget.',
        ['app'],
      ),
      refused: gauge('tasks_not_admitted', 'Open tasks that got no plan: the budget had no call left for their final poll.', ['app']),
    },
    used: gauge('api_calls_used', "Calls that count this month (China's), over all workers; those of people sync too.", ['app']),
    paused: gauge('app_paused', '1 while no calls are made for this app, by kind of pause.', ['app', 'kind']),
    problems: gauge('tasks_with_problem', 'Open tasks with a problem, by problem: polls of them fail.', ['app', 'problem']),
    laws: createLawGauges(gauge),
    scopes: gauge(
      'paused_scopes',
      'Agent ids of the app that are paused (scope "pair"), and running workers that leave it to others (scope "worker"). The app itself: app_paused.',
      ['app', 'scope'],
    ),
    warnings: gauge('health_check_warning', '1 for each check of /readyz of this process that is a warning, else 0.', ['check']),
    clock: gauge('clock_difference_seconds', "How far this machine's clock is ahead of the database's."),
    waiting: gauge('database_pool_waiting', 'Statements of this process that wait for a connection to the database.'),
    refused: gauge('refused_jobs', 'Jobs of senders that were refused and are kept in the queue with their reason.'),
    health: gauge('health_check_ok', '1 for each check of /readyz of this process that is well, else 0.', ['check']),
  }
}
