import { MINUTE_MS } from '../domain/delivery.ts'
import type { Timing } from '../domain/poll-times.ts'
import { PROBLEM_RULES, type Problem } from '../domain/problems.ts'
import type { Clock, EventLog, WorkerRegistry, WorkerState } from './ports.ts'

/**
 * The apps that this worker cannot poll, because of its credentials, its network or its configuration. Other workers may be able to. Such an app
 * is polled only by probes.
 */
export interface WorkerScope {
  /** Why this worker does not poll an app now; null: it does. */
  findBlock(app: string, request: ProbeRequest): WorkerBlock | null
  /** Claims the probe that is due; false: another poll of this worker has it, or none is due. True where the block has ended. */
  claimProbe(app: string, request: ProbeRequest): boolean
  recordFailure(app: string, problem: Problem): Promise<void>
  recordSuccess(app: string): Promise<void>
  /** True when another running worker polls this app. Cached for a moment. */
  isServedByOthers(app: string): Promise<boolean>
  heartbeat(): Promise<void>
  problems(): WorkerState['problems']
  /** Removes this worker from the registry. */
  close(): Promise<void>
}

export interface ProbeRequest {
  /** When the pauses of the app were last lifted by hand. */
  readonly resumedAt: Date | null
  /** A final poll does not wait for a probe that is far away: it may probe the app once a minute. */
  readonly isFinal: boolean
}

export interface WorkerBlock {
  readonly problem: Problem
  /** When this worker probes the app again. */
  readonly until: Date
  /** A probe may be claimed now. */
  readonly isDue: boolean
}

export interface WorkerScopeOptions {
  readonly workerId: string
  readonly apps: readonly string[]
  readonly registry: WorkerRegistry
  readonly timing: Timing
  readonly now: Clock
  /** From one heartbeat to the next, in milliseconds. A worker that misses three is taken as stopped. */
  readonly heartbeatMs: number
  /** How long a claimed probe blocks the others when its answer never comes, in milliseconds. */
  readonly probeLeaseMs: number
  readonly events: Pick<EventLog, 'paused' | 'recovered'>
}

interface Entry {
  readonly problem: Problem
  readonly since: Date
  readonly setAt: Date
  readonly failures: number
  readonly until: Date
}

export function createWorkerScope(options: WorkerScopeOptions): WorkerScope {
  const { workerId, apps, registry, timing, now, events } = options
  const startedAt = now()
  const entries = new Map<string, Entry>()
  const served = new Map<string, { readonly at: number; readonly answer: Promise<boolean> }>()

  const problems = (): WorkerState['problems'] =>
    Object.fromEntries([...entries].map(([app, { problem, since }]) => [app, { ...problem, since: since.toISOString() }]))
  const heartbeat = (): Promise<void> => registry.heartbeat({ workerId, startedAt, apps, problems: problems() }, 3 * options.heartbeatMs)

  const isDue = ({ until, setAt }: Entry, { resumedAt, isFinal }: ProbeRequest): boolean =>
    now() >= until || (resumedAt !== null && resumedAt > setAt) || (isFinal && now().getTime() - setAt.getTime() >= timing.throttleMs)

  return {
    problems,
    heartbeat,
    close: () => registry.remove(workerId),
    findBlock(app, request) {
      const entry = entries.get(app)
      return entry === undefined ? null : { problem: entry.problem, until: entry.until, isDue: isDue(entry, request) }
    },
    claimProbe(app, request) {
      const entry = entries.get(app)
      if (entry === undefined) return true
      if (!isDue(entry, request)) return false
      entries.set(app, { ...entry, setAt: now(), until: new Date(now().getTime() + options.probeLeaseMs) })
      return true
    },
    async recordFailure(app, problem) {
      const before = entries.get(app)
      const failures = (before?.failures ?? 0) + 1
      const minutes = PROBLEM_RULES[problem.code].probeMinutes
      const delayMs = ((minutes[Math.min(failures, minutes.length) - 1] ?? 1) * MINUTE_MS) / timing.timeScale
      const until = new Date(now().getTime() + delayMs)
      entries.set(app, { problem, since: before?.since ?? now(), setAt: now(), failures, until })
      if (before?.problem.code !== problem.code) events.paused({ app, problem })
      await heartbeat()
    },
    async recordSuccess(app) {
      if (!entries.delete(app)) return
      events.recovered({ app })
      await heartbeat()
      await registry.resumeWaiting(app)
    },
    isServedByOthers(app) {
      const cached = served.get(app)
      const at = performance.now()
      if (cached !== undefined && at - cached.at < timing.handoverMs) return cached.answer
      const answer = registry.isServedByOthers(workerId, app)
      served.set(app, { at, answer })
      return answer
    },
  }
}
