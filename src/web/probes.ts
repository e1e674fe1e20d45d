import type { HealthReport } from '../lib/finding.ts'
import { singleFlight } from '../lib/single-flight.ts'
import { TimeoutError, withTimeout } from '../lib/timeout.ts'

export interface ProbeDeps {
  /** For `/readyz`; it never runs more than once at a time. */
  readonly checks: () => Promise<HealthReport>
  /** The Prometheus page. */
  readonly metrics: () => Promise<string>
  /** How long a probe waits for `checks` or `metrics`. Default 5 s. */
  readonly timeoutMs?: number
}

export interface Reply {
  readonly status: number
  readonly type: string
  readonly body: string
}

export const PROBES = ['/livez', '/readyz', '/metrics'] as const
/** They never reject: an error is a reply. */
export type Probes = Readonly<Record<(typeof PROBES)[number], () => Promise<Reply>>>

const PROMETHEUS_TEXT = 'text/plain; version=0.0.4; charset=utf-8'

/**
 * `/livez`: the process answers. `/readyz`: it can do its work (200), or not (503 and what is wrong). `/metrics`: the Prometheus page.
 * Calls at the same time share one run, so that frequent probes do not load the database.
 */
export function createProbes({ checks, metrics, timeoutMs = 5_000 }: ProbeDeps): Probes {
  const report = singleFlight(() => withTimeout(timeoutMs, checks()).catch(failedReport))
  const page = singleFlight(() => withTimeout(timeoutMs, metrics()))
  return {
    '/livez': async () => jsonReply(200, { ok: true }),
    '/readyz': async () => report().then((health) => jsonReply(health.ok ? 200 : 503, health)),
    '/metrics': async () =>
      page().then(
        (body) => ({ status: 200, type: PROMETHEUS_TEXT, body }),
        () => failureReply(503, 'UNAVAILABLE', 'The metrics could not be read. The log of the process says why.'),
      ),
  }
}

export function failureReply(status: number, code: string, message: string): Reply {
  return jsonReply(status, { error: { code, message } })
}

function jsonReply(status: number, body: unknown): Reply {
  return { status, type: 'application/json; charset=utf-8', body: `${JSON.stringify(body)}\n` }
}

/** The error itself is not shown: messages of drivers name hosts and users. */
function failedReport(error: unknown): HealthReport {
  const detail = error instanceof TimeoutError ? error.message : 'the checks themselves failed; the log of the process says why'
  return { ok: false, checks: [{ name: 'checks', ok: false, detail }] }
}
