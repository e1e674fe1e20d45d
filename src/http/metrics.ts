import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

/** Counts what happens, for Prometheus. Methods never throw. */
export interface Metrics {
  /** One recorded look. `lagMs`: its start minus when it was due; null when it was not due at a time. `good`: it brought lists. */
  look(event: { readonly app: string; readonly outcome: string; readonly lagMs: number | null; readonly good: boolean }): void
  /** People who were seen as read for the first time. */
  recipientsRead(app: string, people: number): void
  /** One HTTP call. `code`: the effective code of the answer, `0` for success. */
  apiCall(event: { readonly app: string; readonly endpoint: string; readonly code: string; readonly seconds: number }): void
  tokenRefresh(app: string): void
  /** What the reconciler did, by kind (`added`, `replaced`, `moved`, `ended`, …). */
  reconciled(actions: Readonly<Record<string, number>>): void
  /** Asked at each scrape. Where it fails, the page goes without these gauges rather than with old values. */
  onCollect(read: () => Promise<Gauges>): void
  /** The page that Prometheus reads. */
  text(): Promise<string>
}

/** Values that are read when somebody asks. */
export interface Gauges {
  readonly tasks: ReadonlyArray<{ readonly app: string; readonly status: string; readonly count: number }>
  readonly overdue: number
  /** Apps with a monthly budget only. */
  readonly budgets: ReadonlyArray<{ readonly app: string; readonly remaining: number }>
}

const PREFIX = 'dingtalk_delivery_'
const CALL_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
const LAG_SECONDS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800]

/** Gauges that prom-client names like counters; Prometheus' own checker refuses such names, and each is the sum of a labelled gauge. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total']

export function createMetrics(): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  for (const name of MISNAMED) registry.removeSingleMetric(name)
  const events = eventMetrics(registry)
  const gauges = gaugeMetrics(registry)
  const codes = new Set<string>()
  let read: (() => Promise<Gauges>) | null = null

  return {
    look({ app, outcome, lagMs, good }) {
      events.polls.inc({ app, outcome })
      if (lagMs !== null) events.lag.observe(Math.max(0, lagMs) / 1_000)
      if (good) events.lastGood.setToCurrentTime()
    },
    recipientsRead: (app, people) => events.recipientsRead.inc({ app }, people),
    apiCall({ app, endpoint, code, seconds }) {
      events.calls.inc({ app, endpoint, code: boundedCode(codes, code) })
      events.callSeconds.observe(seconds)
    },
    tokenRefresh: (app) => events.tokens.inc({ app }),
    reconciled(actions) {
      for (const [kind, count] of Object.entries(actions)) events.reconciled.inc({ kind }, count)
    },
    onCollect(next) {
      read = next
    },
    async text() {
      gauges.set(read === null ? null : await read().catch(() => null))
      return registry.metrics()
    },
  }
}

/** Codes come from outside: a server that invents them must not fill the memory. */
const MAX_CODES = 200

function boundedCode(seen: Set<string>, code: string): string {
  if (seen.has(code)) return code
  if (seen.size >= MAX_CODES || !/^[\w/.-]{1,64}$/.test(code)) return 'other'
  seen.add(code)
  return code
}

function eventMetrics(registry: Registry) {
  const registers = [registry]
  const counter = <T extends string>(name: string, help: string, labelNames: readonly T[]) =>
    new Counter({ name: `${PREFIX}${name}`, help, labelNames, registers })
  const histogram = (name: string, help: string, buckets: number[]) => new Histogram({ name: `${PREFIX}${name}`, help, buckets, registers })
  const lastGood = new Gauge({
    name: `${PREFIX}last_good_poll_timestamp_seconds`,
    help: 'When this process last got lists from DingTalk, in seconds since 1970; absent until it has.',
    registers,
  })
  // A gauge without labels begins at 0, which would read as 1970.
  lastGood.remove()
  return {
    lastGood,
    polls: counter('polls_total', 'Recorded looks by outcome.', ['app', 'outcome']),
    calls: counter('api_calls_total', 'HTTP calls to DingTalk by endpoint and effective code; 0 is success.', ['app', 'endpoint', 'code']),
    callSeconds: histogram('api_call_seconds', 'How long HTTP calls to DingTalk took.', CALL_SECONDS),
    lag: histogram('poll_lag_seconds', 'Start of a look minus when it was due.', LAG_SECONDS),
    recipientsRead: counter('recipients_read_total', 'People who were seen as read for the first time.', ['app']),
    reconciled: counter('reconcile_actions_total', 'What the reconciler put right, by kind.', ['kind']),
    tokens: counter('token_refreshes_total', 'Access tokens fetched.', ['app']),
  }
}

function gaugeMetrics(registry: Registry) {
  const registers = [registry]
  const tasks = new Gauge({ name: `${PREFIX}tasks`, help: 'Tasks by status.', labelNames: ['app', 'status'], registers })
  const overdue = new Gauge({ name: `${PREFIX}tasks_overdue`, help: 'Tasks whose look is due and was not made yet.', registers })
  const budget = new Gauge({
    name: `${PREFIX}call_budget_remaining`,
    help: 'Calls left of the monthly budget, for apps that have one.',
    labelNames: ['app'],
    registers,
  })
  return {
    /** Null: not known, so the gauges are left out. */
    set(values: Gauges | null): void {
      tasks.reset()
      overdue.remove()
      budget.reset()
      if (values === null) return
      for (const { app, status, count } of values.tasks) tasks.set({ app, status }, count)
      overdue.set(values.overdue)
      for (const { app, remaining } of values.budgets) budget.set({ app }, remaining)
    },
  }
}
