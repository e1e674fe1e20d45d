import type { Finding } from '../../lib/finding.ts'
import type { WorkerScope } from '../../polling/worker-scope.ts'
import type { WriteBreaker } from '../../polling/write-breaker.ts'
import { type BlindLimits, readBlindGaps, readOverdue } from '../../store/gauges.ts'
import { CheckFailed, required, seconds, warning, withDatabaseTimeout } from './check.ts'
import type { DatabaseNeeds } from './database.ts'

const WRITES_REMEDY =
  'See the role\'s rights ("npx dingtalk-delivery doctor"), the disk and the logs of PostgreSQL. No call is made until a write succeeds; the answers at hand are stored then.'

/** Whether results of polls are stored. A worker whose writes are refused makes no calls, because every call is metered. */
export function writesCheck(writes: Pick<WriteBreaker, 'failing'>, now: Date): Promise<Finding> {
  return required('writes', WRITES_REMEDY, async () => {
    const failing = writes.failing()
    if (failing === null) return { detail: 'what polls bring is stored' }
    const message = failing.error instanceof Error ? failing.error.message : String(failing.error)
    throw new CheckFailed(
      `The database has refused what polls brought for ${seconds(now.getTime() - failing.since.getTime())}: ${message}`,
      WRITES_REMEDY,
    )
  })
}

/** The apps that this worker cannot poll. Another worker may be able to, so this is a warning. */
export function appsCheck(worker: Pick<WorkerScope, 'problems'>): Promise<Finding> {
  return warning('apps', async () => {
    const problems = Object.entries(worker.problems())
    if (problems.length === 0) return { detail: 'this worker polls all apps of its configuration' }
    const detail = problems.map(([app, { code, detail: answer }]) => `${app}: ${code} (${answer.said} ${answer.message})`).join('; ')
    return {
      detail: `This worker leaves apps to others: ${detail}`,
      remedy: 'Compare its credentials, its outgoing address and its apps with those of the other workers.',
    }
  })
}

/** How late polls may be, in milliseconds. */
export interface Lateness {
  /** A poll that is later than this is overdue. */
  readonly overdueMs: number
  /** When an open task missed a planned poll. */
  readonly blind: BlindLimits
}

const OVERDUE_REMEDY =
  'See that workers run and that /readyz of each is well. If they are, they are too few: check their CPU, and raise MAX_CALLS_PER_SECOND as far as DingTalk allows.'

/** Polls that are late, of all workers. */
export function overdueCheck({ database, timeoutMs }: DatabaseNeeds, { overdueMs }: Lateness): Promise<Finding> {
  return warning('overdue', async () => {
    const { tasks, oldestMs } = await withDatabaseTimeout(timeoutMs, readOverdue(database, overdueMs))
    if (tasks === 0) return { detail: `no poll is later than ${seconds(overdueMs)}` }
    return { detail: `${tasks} polls are overdue, the oldest by ${seconds(oldestMs)}`, remedy: OVERDUE_REMEDY }
  })
}

const BLIND_REMEDY =
  'Columns reason_code and reason_detail of delivery_task_rates, and delivery_poll_history, say for each why: an app that was paused, a budget that was used up, DingTalk or the workers away. What passed unseen cannot be had again; remove the cause before the next deadline.'

/** Tasks without a successful poll although one was planned. */
export function blindGapsCheck({ database, timeoutMs }: DatabaseNeeds, { blind }: Lateness): Promise<Finding> {
  return warning('blind gaps', async () => {
    const { ended, latest, open } = await withDatabaseTimeout(timeoutMs, readBlindGaps(database, blind))
    const gaps = [
      ...(ended > 0 ? [`${ended} tasks ended in the last 24 hours without a poll near their deadline, the latest at ${latest}`] : []),
      ...(open > 0 ? [`${open} open tasks had no successful poll since one was due more than ${seconds(blind.missedMs)} ago`] : []),
    ]
    return gaps.length === 0 ? { detail: 'none' } : { detail: gaps.join('; '), remedy: BLIND_REMEDY }
  })
}
