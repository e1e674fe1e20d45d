import type { TaskKey } from '../core/delivery.ts'
import type { Journal, LookEvent } from '../core/ports.ts'
import type { Metrics } from '../http/metrics.ts'
import type { Logger } from '../logger.ts'

/** What happened becomes one log line and the metrics that count it. */
export function createJournal(log: Logger, metrics: Metrics | null): Journal {
  return {
    tracked: ({ key, isNew }) => log.info(key, isNew ? 'task tracked' : 'task already tracked'),
    adopted: ({ tasks }) => log.info({ tasks }, 'tasks planned'),
    looked(event) {
      log[levelOf(event)](fieldsOf(event), event.stored === 'stored' ? 'look stored' : 'look came too late, another one was stored')
      if (metrics === null) return
      const { plan, key, lagMs } = event
      metrics.look({ app: key.app, outcome: plan.poll.outcome, lagMs, good: plan.poll.outcome === 'observed' })
      if (event.stored === 'stored') metrics.recipientsRead(key.app, plan.transitions.filter((each) => each.to === 'read').length)
    },
    ended: ({ key, status, reason }) => log.info({ ...key, status, reason }, 'task ended'),
    putOff: ({ key, until, reason }) => log.debug({ ...key, until: until.toISOString(), reason }, 'look put off'),
    reconciled({ actions }) {
      log.warn(actions, 'reconciled: timers were missing or tasks were past their deadline')
      metrics?.reconciled(actions)
    },
    failed: ({ what, key, error }) => log.warn({ ...emptyWithout(key), err: error }, `${what} failed`),
  }
}

/** A person must act on a paused app; an ordinary look is not worth a line at `info` when 10,000 tasks have 24 each. */
function levelOf({ plan, stored }: LookEvent): 'debug' | 'info' | 'warn' {
  if (stored === 'stale') return 'info'
  if (plan.app.kind === 'pause' || plan.app.kind === 'quota') return 'warn'
  return plan.poll.outcome === 'observed' ? 'debug' : 'info'
}

function fieldsOf({ key, plan, lagMs }: LookEvent): Record<string, unknown> {
  const { outcome, code, message, requestId, pollNo, anomalies } = plan.poll
  const trouble = outcome === 'observed' ? {} : { code, message }
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
    ...effectOf(plan.app),
  }
}

function effectOf(app: LookEvent['plan']['app']): Record<string, unknown> {
  return 'reason' in app ? { appState: app.kind, remedy: app.reason } : {}
}

function emptyWithout(key: TaskKey | undefined): Partial<TaskKey> {
  return key ?? {}
}
