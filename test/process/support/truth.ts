import type { Client } from 'pg'
import type { TaskTruth } from '../../../src/simulator/task.ts'
import type { State } from './ways.ts'

/** What a person was at the moment of the final poll, and what is stored; a read while that look was under way may be in it or not. */
export interface Held {
  readonly who: string
  readonly stored: State | 'nowhere'
  readonly true: readonly State[]
}

/** Holds everybody of a task against the simulator, as of the last successful poll. */
export async function holdAgainstTruth(sql: Client, simulator: string, taskId: string): Promise<Held[]> {
  const truth = (await (await fetch(`${simulator}/_simulator/tasks/${taskId}`)).json()) as Told<TaskTruth>
  const { rows: people } = await sql.query<{ user_id: string; state: State }>(
    'SELECT user_id, state FROM delivery_recipient_status WHERE task_id = $1',
    [taskId],
  )
  const { rows: polls } = await sql.query<{ requested_at: Date; responded_at: Date }>(
    `SELECT requested_at, responded_at FROM delivery_poll AS poll JOIN delivery_task AS task ON task.id = poll.task_pk
     WHERE task_id = $1 AND outcome = 'observed' ORDER BY poll.poll_no DESC LIMIT 1`,
    [taskId],
  )
  const [last] = polls
  if (last === undefined) throw new Error(`task ${taskId} has no successful poll`)
  const stored = new Map(people.map((person) => [person.user_id, person.state]))
  const strangers = people.filter(({ user_id }) => truth.recipients.every(({ userId }) => userId !== user_id))
  if (strangers.length > 0) throw new Error(`task ${taskId} has people whom it was not sent to: ${JSON.stringify(strangers)}`)
  return truth.recipients.map((person) => ({
    who: `${person.userId} in ${taskId}`,
    stored: stored.get(person.userId) ?? 'nowhere',
    true: [...new Set([stateAt(person, last.requested_at), stateAt(person, last.responded_at)])],
  }))
}

/** As JSON has it: times are text. */
type Told<T> = T extends Date ? string : T extends object ? { [K in keyof T]: Told<T[K]> } : T

function stateAt({ fate, processedAt, readAt }: Told<TaskTruth['recipients'][number]>, at: Date): State {
  if (processedAt === null || new Date(processedAt) > at) return 'pending'
  if (fate === 'read' || fate === 'never') return readAt !== null && new Date(readAt) <= at ? 'read' : 'unread'
  return fate
}
