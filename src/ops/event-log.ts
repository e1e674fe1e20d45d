import type { EventLog, PollEvent } from '../polling/ports.ts'
import type { Logger } from './logger.ts'
import type { Metrics } from './metrics.ts'

/** Writes one log line for each event, and counts it in the metrics. */
export function createEventLog(log: Logger, metrics: Metrics | null): EventLog {
  const throttle = createLogThrottle()
  return {
    tracked({ key, isNew, conflict, updated }) {
      if (isNew) log.info(key, 'task tracked')
      else if (updated.length > 0) log.info({ ...key, updated }, 'task already tracked; newer data was taken, and it is polled at once')
      else if (conflict.length === 0) log.info(key, 'task already tracked')
      else {
        log.warn({ ...key, conflict }, 'task already tracked with other data, which was kept: it has been polled, or it has ended')
        metrics?.trackConflict(key.app)
      }
    },
    scheduled: ({ tasks }) => log.info({ tasks }, 'tasks planned'),
    polled(event) {
      const level = chooseLevel(event)
      if (log.isLevelEnabled(level)) {
        log[level](buildFields(event), event.stored === 'stored' ? 'poll stored' : 'poll came too late, another one was stored')
      }
      if (metrics === null) return
      const { plan, key, lagMs } = event
      metrics.poll({ app: key.app, outcome: plan.poll.outcome, lagMs, good: plan.poll.outcome === 'observed' })
      if (event.stored === 'stored') metrics.recipientsRead(key.app, plan.transitions.filter((each) => each.to === 'read').length)
    },
    ended: ({ key, status, reason }) => log.info({ ...key, status, reason: reason?.code }, 'task ended'),
    delayed: ({ key, until, reason, problem }) =>
      log.debug({ ...key, until: until.toISOString(), reason: reason?.code, problem: problem?.code }, 'poll delayed'),
    paused({ app, problem: { code, detail } }) {
      log.warn({ app, problem: code, ...detail }, 'polls paused')
    },
    recovered: ({ app }) => log.info({ app }, 'polls go on'),
    reconciled({ actions }) {
      log.warn(actions, 'reconciled: timers were missing or tasks were past their deadline')
      metrics?.reconciled(actions)
    },
    retained({ namesRemoved, peopleRemoved, periodsRemoved, tasksRemoved }) {
      log.info({ namesRemoved, peopleRemoved, periodsRemoved, tasksRemoved }, 'old details removed')
      const removed = {
        names_removed: namesRemoved,
        people_removed: peopleRemoved,
        periods_removed: periodsRemoved,
        tasks_removed: tasksRemoved,
      }
      metrics?.reconciled(removed)
    },
    learned: ({ app, version, tasks, people }) => log.info({ app, version, tasks, people }, 'learned when people read'),
    early: ({ key, earlyMs }) => log.debug({ ...key, earlyMs: Math.round(earlyMs) }, 'timer fired early: the clocks of workers differ'),
    lock({ kind, jobId }) {
      log.warn({ jobId }, kind === 'lost' ? 'lock lost: this worker was blocked or cut off for longer than it lasts' : LOCK_FOUND)
      metrics?.lock(kind)
    },
    failed({ what, key, error }) {
      const suppressed = throttle(`${what} ${error instanceof Error ? error.message : String(error)}`)
      if (suppressed !== null) log.warn({ ...key, err: error, ...(suppressed > 0 && { suppressed }) }, `${what} failed`)
    },
  }
}

const LOCK_FOUND = 'a job whose lock had run out is taken over: its worker died, or was blocked'

/** An ordinary poll is logged at `debug`: 10,000 tasks have 24 each. */
function chooseLevel({ plan, stored }: PollEvent): 'debug' | 'info' {
  if (stored === 'stale') return 'info'
  return plan.poll.outcome === 'observed' ? 'debug' : 'info'
}

function buildFields({ key, plan, lagMs }: PollEvent): Record<string, unknown> {
  const { outcome, code, message, requestId, pollNo, anomalies, problemCode, scope } = plan.poll
  const trouble = outcome === 'observed' ? {} : { code, message, problem: problemCode, scope }
  const { read, unread, pending } = plan.task.counts
  const nextPollAt = plan.task.nextPollAt?.toISOString() ?? null
  return {
    ...key,
    pollNo,
    outcome,
    ...trouble,
    requestId,
    changed: plan.transitions.length,
    read,
    unread,
    pending,
    anomalies,
    lagMs,
    nextPollAt,
  }
}

/** A server that is away is tried again every second; one line in ten is logged. */
const QUIET_MS = 10_000
/** Different failures that are remembered at the same time. Beyond that some are logged again sooner. */
const MAX_REMEMBERED = 100

/** Returns how often this failure was suppressed since it was last logged, or null where it is to be suppressed now. */
type LogThrottle = (failure: string) => number | null

function createLogThrottle(): LogThrottle {
  const logged = new Map<string, { loggedAtMs: number; suppressed: number }>()
  return (failure) => {
    const last = logged.get(failure)
    const nowMs = performance.now()
    if (last !== undefined && nowMs - last.loggedAtMs < QUIET_MS) {
      last.suppressed++
      return null
    }
    if (logged.size >= MAX_REMEMBERED) logged.clear()
    logged.set(failure, { loggedAtMs: nowMs, suppressed: 0 })
    return last?.suppressed ?? 0
  }
}
