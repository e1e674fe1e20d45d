import { TrackerError } from '../domain/errors.ts'
import { endReasonText } from '../domain/messages.ts'
import { quote } from '../domain/quote.ts'
import type { RateReader, TaskRates, TaskRef } from '../report/rates.ts'
import type { ResumedApp, Resuming, Tracking } from './ports.ts'

/** Cancel and resume: one use case for commands, HTTP and dashboard, so that they refuse with the same messages. */

export interface CancelledTask {
  readonly task: TaskRates
  /** False: it was cancelled before. */
  readonly isNew: boolean
}

/**
 * Stops tracking a task. Its data stays.
 * @throws {TrackerError} `TASK_NOT_FOUND`, `SEVERAL_APPS`, `TASK_ENDED` where it ended for another reason
 */
export async function cancelTask(
  rates: Pick<RateReader, 'task'>,
  tracking: Pick<Tracking, 'cancel'>,
  ref: TaskRef,
): Promise<CancelledTask> {
  const { app, taskId } = await rates.task(ref)
  const isNew = await tracking.cancel({ app, taskId })
  const task = await rates.task({ app, taskId })
  if (!isNew && task.status !== 'cancelled') throw taskEnded(task, 'cancelled')
  return { task, isNew }
}

export interface ResumedTaskRates extends TaskRates {
  /** Its poll was delayed by MONTHLY_CALL_BUDGET, which stays: it is delayed again until a call is left. */
  readonly isWithoutBudget: boolean
}

/**
 * Polls a task at once, whatever delayed it.
 * @throws {TrackerError} `TASK_NOT_FOUND`, `SEVERAL_APPS`, `TASK_ENDED`
 */
export async function resumeTask(rates: Pick<RateReader, 'task'>, resuming: Resuming, ref: TaskRef): Promise<ResumedTaskRates> {
  const { app, taskId } = await rates.task(ref)
  const resumed = await resuming.task({ app, taskId })
  const task = await rates.task({ app, taskId })
  if (resumed === null) throw taskEnded(task, 'polled')
  return { ...task, ...resumed }
}

/**
 * Gives a task another agent id and polls it at once, as tracking it again with that agent id does. A task that had a successful poll had the
 * right one.
 * @throws {TrackerError} `TASK_NOT_FOUND`, `SEVERAL_APPS`, `TASK_ENDED`; `CONFLICT` after a successful poll
 */
export async function correctAgentId(
  rates: Pick<RateReader, 'task'>,
  tracking: Pick<Tracking, 'track'>,
  ref: TaskRef,
  agentId: string | null,
): Promise<TaskRates> {
  const { app, taskId } = await rates.task(ref)
  const { conflict } = await tracking.track({ app, taskId, agentId, userIds: null, campaign: null, sentAt: null })
  const task = await rates.task({ app, taskId })
  if (conflict.includes('agentId') && task.status !== 'tracking') throw taskEnded(task, 'corrected')
  if (conflict.includes('agentId')) {
    throw new TrackerError(
      'CONFLICT',
      `Task ${taskId} keeps its agent id${task.agentId === null ? '' : ` ${task.agentId}`}: a poll with it has succeeded, so it is the right one.`,
    )
  }
  return task
}

/**
 * Lifts all pauses of an app, and polls its delayed tasks at once.
 * @throws {TrackerError} `APP_NOT_FOUND`
 */
export async function resumeApp(rates: Pick<RateReader, 'apps'>, resuming: Resuming, app: string): Promise<ResumedApp> {
  const resumed = await resuming.app(app)
  if (resumed !== null) return resumed
  const known = (await rates.apps()).map((each) => each.app)
  throw new TrackerError(
    'APP_NOT_FOUND',
    `No app ${quote(app)} has a task or has made a call. ${known.length === 0 ? 'No app has so far.' : `Known: ${known.join(', ')}.`}`,
  )
}

function taskEnded(
  { taskId, status, finishedAt, reasonCode, reasonDetail }: TaskRates,
  done: 'cancelled' | 'polled' | 'corrected',
): TrackerError {
  const when = finishedAt === null ? '' : ` at ${finishedAt.toISOString()}`
  const why = reasonCode === null ? '' : ` ${endReasonText({ code: reasonCode, detail: reasonDetail }, 'en')}`
  return new TrackerError(
    'TASK_ENDED',
    `Task ${taskId} has ended already (${status})${when}.${why} Only a task that is tracked can be ${done}.`,
  )
}
