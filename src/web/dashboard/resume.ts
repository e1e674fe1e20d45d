import { parseApp } from '../../intake/track-request.ts'
import { resumeApp, resumeTask } from '../../polling/task-commands.ts'
import { taskLink } from './links.ts'
import { refOf } from './pages/task.ts'
import type { PageRequest } from './view.ts'

/** Polls a task at once. Resolves with the page to show then. */
export async function resumeTaskAction({ options: { rates, tracking }, params, query }: PageRequest): Promise<string> {
  return taskLink(await resumeTask(rates, tracking.resuming, refOf(params, query)))
}

/** Lifts all pauses of an app, and polls its delayed tasks at once. Resolves with the page to show then. */
export async function resumeAppAction({ options: { rates, tracking }, params }: PageRequest): Promise<string> {
  await resumeApp(rates, tracking.resuming, parseApp(params['app']))
  return '/'
}
