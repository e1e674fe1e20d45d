import type { Finding } from '../../lib/finding.ts'
import { readBlindGaps, readOverdue } from '../../store/gauges.ts'
import { advisory, seconds, withQueueTimeout } from './check.ts'
import type { DatabaseNeeds } from './database.ts'

/** How late polls may be, in milliseconds. */
export interface Lateness {
  /** A poll that is later than this is overdue. */
  readonly overdueMs: number
  /** An open task without a successful poll for longer than this missed one that was planned. */
  readonly blindMs: number
}

const OVERDUE_REMEDY =
  'See that workers run and that /readyz of each is well. If they are, they are too few: look at their CPU, and raise MAX_CALLS_PER_SECOND as far as DingTalk allows.'

/** Polls that nobody has made yet, whoever should. */
export function overdueCheck({ database, timeoutMs }: DatabaseNeeds, { overdueMs }: Lateness): Promise<Finding> {
  return advisory('overdue', async () => {
    const { tasks, oldestMs } = await withQueueTimeout(readOverdue(database, overdueMs), timeoutMs)
    if (tasks === 0) return { detail: `no poll is later than ${seconds(overdueMs)}` }
    return { detail: `${tasks} polls are overdue, the oldest by ${seconds(oldestMs)}`, remedy: OVERDUE_REMEDY }
  })
}

const BLIND_REMEDY =
  'Columns reason_code and reason_detail of delivery_task_rates, and delivery_poll_history, say for each why: an app that was paused, a budget that was used up, DingTalk or the workers away. What passed unseen cannot be had again; remove the cause before the next deadline.'

/** Tasks of which nothing was learned when something could be. */
export function blindGapsCheck({ database, timeoutMs }: DatabaseNeeds, { blindMs }: Lateness): Promise<Finding> {
  return advisory('blind gaps', async () => {
    const { ended, latest, open } = await withQueueTimeout(readBlindGaps(database, blindMs), timeoutMs)
    const told = [
      ...(ended > 0 ? [`${ended} tasks ended in the last 24 hours without a poll near their deadline, the latest at ${latest}`] : []),
      ...(open > 0 ? [`${open} open tasks had no successful poll for more than ${seconds(blindMs)}, and one was planned`] : []),
    ]
    return told.length === 0 ? { detail: 'none' } : { detail: told.join('; '), remedy: BLIND_REMEDY }
  })
}
