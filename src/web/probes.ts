/** What a process says about itself. `ok` is true when every check is; a warning does not change it. */
export interface HealthReport {
  readonly ok: boolean
  readonly checks: readonly HealthCheck[]
}

export interface HealthCheck {
  readonly name: string
  readonly ok: boolean
  /** What is wrong, or what is there: never a secret, never a URL with a query. */
  readonly detail?: string
  /** The work goes on, but somebody should act: `remedy` says how. Never together with a check that is not `ok`. */
  readonly warning?: boolean
  /** What to do where it is not `ok`, or a warning. */
  readonly remedy?: string
}

export interface ProbeOptions {
  /** Asked by `/readyz`, never more than once at a time. */
  readonly checks: () => Promise<HealthReport>
  /** The Prometheus page. */
  readonly metrics: () => Promise<string>
  /** How long a probe waits for `checks` or `metrics`. Default 5 s. */
  readonly timeoutMs?: number
}

/** An answer as every server here gives it. */
export interface Reply {
  readonly status: number
  readonly type: string
  readonly body: string
}

export const PROBES = ['/livez', '/readyz', '/metrics'] as const
/** They never fail: what goes wrong is an answer. */
export type Probes = Readonly<Record<(typeof PROBES)[number], () => Promise<Reply>>>

const PROMETHEUS_TEXT = 'text/plain; version=0.0.4; charset=utf-8'

/** `/livez` (the process answers), `/readyz` (it can do its work: 200, else 503 and what is wrong) and `/metrics`. */
export function probesOf({ checks, metrics, timeoutMs = 5_000 }: ProbeOptions): Probes {
  const report = singly(() => inTime(checks, timeoutMs).catch(unknownHealth))
  const page = singly(() => inTime(metrics, timeoutMs))
  return {
    '/livez': async () => jsonReply(200, { ok: true }),
    '/readyz': async () => report().then((health) => jsonReply(health.ok ? 200 : 503, health)),
    '/metrics': async () =>
      page().then(
        (body) => ({ status: 200, type: PROMETHEUS_TEXT, body }),
        () => failureReply(503, 'UNAVAILABLE', '/metrics could not be answered. The log of the process says why.'),
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
function unknownHealth(error: unknown): HealthReport {
  const detail = error instanceof LateError ? error.message : 'the checks themselves failed; the log of the process says why'
  return { ok: false, checks: [{ name: 'checks', ok: false, detail }] }
}

class LateError extends Error {}

async function inTime<T>(work: () => Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new LateError(`no answer within ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([work(), late])
  } finally {
    clearTimeout(timer)
  }
}

/** Callers of one moment share one run: a hasty prober must not load the database. */
function singly<T>(work: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | null = null
  return () => {
    running ??= work().finally(() => {
      running = null
    })
    return running
  }
}
