import { MINUTE_MS } from '../domain/delivery.ts'
import type { Timing } from '../domain/poll-times.ts'
import { PROBLEM_RULES, type Problem } from '../domain/problems.ts'
import type { Clock, EventLog, WorkerBook, WorkerState } from './ports.ts'

/** What this worker cannot poll: its credentials, its way out of the network, an app that only it does not know. Other workers may be able to. */
export interface WorkerScope {
  /** Why this worker cannot poll an app; null: it can, as far as is known. */
  hold(app: string, wish: PollWish): Held | null
  /** Takes the one probe that is due; false: another poll of this worker has it, or none is due. True too where nothing is wrong any more. */
  claimProbe(app: string, wish: PollWish): boolean
  /** A poll showed that this worker cannot poll the app. */
  failed(app: string, problem: Problem): Promise<void>
  /** A poll of the app succeeded. */
  succeeded(app: string): Promise<void>
  /** Does another running worker poll this app? At most a moment old. */
  isServedByOthers(app: string): Promise<boolean>
  /** Says to the others that this worker runs. */
  beat(): Promise<void>
  problems(): WorkerState['problems']
  leave(): Promise<void>
}

export interface PollWish {
  /** When somebody last lifted the pauses of the app. */
  readonly resumedAt: Date | null
  /** A final poll does not wait for a probe that is far away: it may find the app repaired, once a minute. */
  readonly isFinal: boolean
}

export interface Held {
  readonly problem: Problem
  /** When this worker probes the app again. */
  readonly until: Date
  /** A probe may be claimed now. */
  readonly isDue: boolean
}

export interface WorkerScopeOptions {
  readonly workerId: string
  readonly apps: readonly string[]
  readonly book: WorkerBook
  readonly timing: Timing
  readonly now: Clock
  /** From one sign of life to the next, in milliseconds; a worker that is silent for three times as long is gone. */
  readonly beatEveryMs: number
  /** How long the one probe keeps the others out when its answer never comes, in milliseconds. */
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
  const { workerId, apps, book, timing, now, events } = options
  const startedAt = now()
  const entries = new Map<string, Entry>()
  const served = new Map<string, { readonly at: number; readonly answer: Promise<boolean> }>()

  const problems = (): WorkerState['problems'] =>
    Object.fromEntries([...entries].map(([app, { problem, since }]) => [app, { ...problem, since: since.toISOString() }]))
  const beat = (): Promise<void> => book.seen({ workerId, startedAt, apps, problems: problems() }, 3 * options.beatEveryMs)

  const isDue = ({ until, setAt }: Entry, { resumedAt, isFinal }: PollWish): boolean =>
    now() >= until || (resumedAt !== null && resumedAt > setAt) || (isFinal && now().getTime() - setAt.getTime() >= timing.throttleMs)

  return {
    problems,
    beat,
    leave: () => book.gone(workerId),
    hold(app, wish) {
      const entry = entries.get(app)
      return entry === undefined ? null : { problem: entry.problem, until: entry.until, isDue: isDue(entry, wish) }
    },
    claimProbe(app, wish) {
      const entry = entries.get(app)
      if (entry === undefined) return true
      if (!isDue(entry, wish)) return false
      entries.set(app, { ...entry, setAt: now(), until: new Date(now().getTime() + options.probeLeaseMs) })
      return true
    },
    async failed(app, problem) {
      const before = entries.get(app)
      const failures = (before?.failures ?? 0) + 1
      const minutes = PROBLEM_RULES[problem.code].probeMinutes
      const delayMs = ((minutes[Math.min(failures, minutes.length) - 1] ?? 1) * MINUTE_MS) / timing.timeScale
      const until = new Date(now().getTime() + delayMs)
      entries.set(app, { problem, since: before?.since ?? now(), setAt: now(), failures, until })
      if (before?.problem.code !== problem.code) events.paused({ app, problem })
      await beat()
    },
    async succeeded(app) {
      if (!entries.delete(app)) return
      events.recovered({ app })
      await beat()
      await book.recovered(app)
    },
    isServedByOthers(app) {
      const known = served.get(app)
      const at = performance.now()
      if (known !== undefined && at - known.at < timing.handoverMs) return known.answer
      const answer = book.isServedByOthers(workerId, app)
      served.set(app, { at, answer })
      return answer
    },
  }
}
