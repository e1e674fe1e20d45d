import { Counter, Gauge, Histogram, type Registry } from 'prom-client'

/** Counts events. Methods never throw. */
export interface EventMetrics {
  /** One recorded poll. `lagMs`: its start minus when it was due; null when it was not due at a time. `good`: it was successful. */
  poll(event: { readonly app: string; readonly outcome: string; readonly lagMs: number | null; readonly good: boolean }): void
  /** People who were seen as read for the first time. */
  recipientsRead(app: string, people: number): void
  /** One HTTP call to DingTalk. `code`: the effective code of the answer, `0` for success. */
  apiCall(event: { readonly app: string; readonly endpoint: string; readonly code: string; readonly seconds: number }): void
  /** One attempt to fetch an access token. */
  tokenRefresh(app: string, ok: boolean): void
  /** What the reconciler did, by kind (`added`, `replaced`, `moved`, `ended`, `names_removed`, …). */
  reconciled(actions: Readonly<Record<string, number>>): void
  /** A job ran for longer than its lock: `lost` by this process, or `found` by it. */
  lock(kind: 'lost' | 'found'): void
  /** A request for a task that is tracked with other data, which were kept. */
  trackConflict(app: string): void
  /** One request that the HTTP API answered. `route`: the pattern that matched (`/v1/tasks/:taskId`), never the path of the request. */
  httpRequest(event: { readonly route: string; readonly method: string; readonly status: number; readonly seconds: number }): void
}

export const PREFIX = 'dingtalk_delivery_'
const CALL_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
const LAG_SECONDS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800]
const REQUEST_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

const METHODS = /^(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)$/
const MAX_CODES = 200
const MAX_ROUTES = 100
/** Senders choose the names of apps, whether they are configured or not. */
export const MAX_APPS = 1_000
export const APP_NAME = /^[\w-]{1,64}$/

export function createEventMetrics(registry: Registry): EventMetrics {
  const { polls, lag, lastGood, reads, calls, callSeconds, tokens, tokenFailures, reconciled, locks, conflicts, requests, requestSeconds } =
    collectorsIn(registry)
  const appOf = boundedLabel(MAX_APPS, APP_NAME)
  const codeOf = boundedLabel(MAX_CODES, /^[\w/.-]{1,64}$/)
  const routeOf = boundedLabel(MAX_ROUTES, /^[\w/:.*-]{1,100}$/)
  const methodOf = boundedLabel(10, METHODS)
  const statusOf = boundedLabel(100, /^[1-5]\d\d$/)
  return {
    poll({ app, outcome, lagMs, good }) {
      polls.inc({ app: appOf(app), outcome })
      if (lagMs !== null) lag.observe(Math.max(0, lagMs) / 1_000)
      if (good) lastGood.setToCurrentTime()
    },
    recipientsRead: (app, people) => reads.inc({ app: appOf(app) }, people),
    apiCall({ app, endpoint, code, seconds }) {
      calls.inc({ app: appOf(app), endpoint, code: codeOf(code) })
      callSeconds.observe(seconds)
    },
    tokenRefresh: (app, ok) => (ok ? tokens : tokenFailures).inc({ app: appOf(app) }),
    reconciled(actions) {
      for (const [kind, count] of Object.entries(actions)) reconciled.inc({ kind }, count)
    },
    lock: (kind) => locks.inc({ kind }),
    trackConflict: (app) => conflicts.inc({ app: appOf(app) }),
    httpRequest({ route, method, status, seconds }) {
      const labels = { route: routeOf(route), method: methodOf(method) }
      requests.inc({ ...labels, status: statusOf(String(status)) })
      requestSeconds.observe(labels, seconds)
    },
  }
}

function collectorsIn(registry: Registry) {
  const registers = [registry]
  const counter = <T extends string>(name: string, help: string, labelNames: readonly T[]) =>
    new Counter({ name: `${PREFIX}${name}`, help, labelNames, registers })
  const histogram = <T extends string>(name: string, help: string, buckets: number[], labelNames: readonly T[] = []) =>
    new Histogram({ name: `${PREFIX}${name}`, help, buckets, labelNames, registers })
  const lastGood = new Gauge({
    name: `${PREFIX}last_good_poll_timestamp_seconds`,
    help: 'When this process last got lists from DingTalk, in seconds since 1970; absent until it has.',
    registers,
  })
  // A gauge without labels begins at 0, which would read as 1970.
  lastGood.remove()
  return {
    lastGood,
    polls: counter('polls_total', 'Recorded polls by outcome.', ['app', 'outcome']),
    lag: histogram('poll_lag_seconds', 'Start of a poll minus when it was due.', LAG_SECONDS),
    reads: counter('recipients_read_total', 'People who were seen as read for the first time.', ['app']),
    calls: counter('api_calls_total', 'HTTP calls to DingTalk by endpoint and effective code; 0 is success.', ['app', 'endpoint', 'code']),
    callSeconds: histogram('api_call_seconds', 'How long HTTP calls to DingTalk took.', CALL_SECONDS),
    tokens: counter('token_refreshes_total', 'Access tokens fetched.', ['app']),
    tokenFailures: counter('token_failures_total', 'Attempts to fetch an access token that brought none.', ['app']),
    reconciled: counter('reconcile_actions_total', 'What the reconciler did about overdue and old tasks, by kind.', ['kind']),
    locks: counter('locks_lost_total', 'Jobs that were held for longer than their locks: lost by this process, or found by it.', ['kind']),
    conflicts: counter('track_conflicts_total', 'Requests from the queue for tracked tasks with other data, which was not taken.', ['app']),
    requests: counter('http_requests_total', 'Requests that the HTTP API and the dashboard answered.', ['route', 'method', 'status']),
    requestSeconds: histogram('http_request_seconds', 'How long requests to the HTTP API and the dashboard took.', REQUEST_SECONDS, [
      'route',
      'method',
    ]),
  }
}

/** Replaces label values beyond the limit. */
const OTHER = 'other'

/**
 * Label values may come from outside, and must not fill the memory of Prometheus and of this process.
 * @param max this many different values are kept; later ones, and those that do not match, become `other`
 */
export function boundedLabel(max: number, accepted: RegExp): (value: string) => string {
  const seen = new Set<string>()
  return (value) => {
    if (seen.has(value)) return value
    if (seen.size >= max || !accepted.test(value)) return OTHER
    seen.add(value)
    return value
  }
}
