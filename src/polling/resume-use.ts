import { TrackerError } from '../domain/errors.ts'
import { endReasonText } from '../domain/messages.ts'
import { show } from '../domain/quote.ts'
import type { RateReader, TaskRates, TaskRef } from '../report/rates.ts'
import type { ResumedApp, Resuming } from './ports.ts'

/** One use case for all faces, so that they refuse the same things in the same words. */

export interface ResumedTaskRates extends TaskRates {
  /** Its poll was delayed by MONTHLY_CALL_BUDGET, which is not lifted: it will be delayed again while no call is left. */
  readonly isWithoutBudget: boolean
}

/**
 * Polls a task at once, whatever delayed it.
 * @throws {TrackerError} `TASK_NOT_FOUND`, `SEVERAL_APPS`, `TASK_ENDED`
 */
export async function resumeTask(rates: Pick<RateReader, 'task'>, resuming: Resuming, ref: TaskRef): Promise<ResumedTaskRates> {
  const task = await rates.task(ref)
  const resumed = await resuming.task(task)
  const after = await rates.task({ app: task.app, taskId: task.taskId })
  if (resumed === null) throw taskEnded(after)
  return { ...after, ...resumed }
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
    `No app ${show(app)} has a task or has made a call. ${known.length === 0 ? 'No app has so far.' : `Known: ${known.join(', ')}.`}`,
  )
}

function taskEnded(task: TaskRates): TrackerError {
  const { taskId, status, finishedAt, reasonCode, reasonDetail } = task
  const when = finishedAt === null ? '' : ` at ${finishedAt.toISOString()}`
  const why = reasonCode === null ? '' : ` ${endReasonText({ code: reasonCode, detail: reasonDetail }, 'en')}`
  return new TrackerError(
    'TASK_ENDED',
    `Task ${taskId} has ended already (${status})${when}.${why} Only a task that is tracked can be polled.`,
  )
}
