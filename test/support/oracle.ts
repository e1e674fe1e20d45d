import pg from 'pg'
import { expect } from 'vitest'
import { type ApiPageServer, hasRead, type Person, type SentTask } from './api-page-server.ts'

export interface TaskRow {
  readonly task_id: string
  readonly status: string
  readonly reason_code: string | null
  readonly reason_detail: Readonly<Record<string, unknown>> | null
  readonly deadline_at: Date
  readonly last_good_requested_at: Date | null
  readonly last_observed_at: Date | null
  readonly poll_no: number
  readonly calls: number
  readonly next_poll_at: Date | null
}

interface PersonRow {
  readonly task_id: string
  readonly user_id: string
  readonly state: string
  readonly last_unread_at: Date | null
  readonly first_read_at: Date | null
}

/** What the oracle found, in words; empty where all is as it must be. */
export interface Verdict {
  /** (a) Tasks that were acknowledged and are not there, or are open where none may be, or will not be looked at again. */
  readonly lost: readonly string[]
  /** (b, c, d) States, counts and brackets that are not what DingTalk's recorded answers say. */
  readonly wrong: readonly string[]
  /** (e) Calls that are counted in no row: what the fault cost. Over all tasks. */
  readonly extraCalls: number
  /** Polls that are recorded, over all tasks. */
  readonly polls: number
  readonly rows: ReadonlyMap<string, TaskRow>
}

/**
 * What must hold at the end of every run, whatever went wrong meanwhile: every task has ended once (or will be looked at, where `open` allows
 * it); the rows say what DingTalk's last recorded answer said and never more; who has read stays read; every true read time lies inside its bracket; and nothing was counted twice.
 */
export async function judge(
  databaseUrl: string,
  server: ApiPageServer,
  open: 'all have ended' | 'some are open' = 'all have ended',
): Promise<Verdict> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    const tasks = await client.query<TaskRow>('SELECT * FROM delivery_task')
    const people = await client.query<PersonRow>('SELECT * FROM delivery_recipient_status')
    const rows = new Map(tasks.rows.map((row) => [row.task_id, row]))
    const stored = new Map(people.rows.map((row) => [`${row.task_id} ${row.user_id}`, row]))
    const all = [...server.tasks.values()]
    return {
      lost: all.flatMap((task) => lossOf(task, rows.get(task.taskId), open === 'some are open')),
      wrong: [...(await inconsistencies(client)), ...all.flatMap((task) => wrongPeopleOf(task, rows.get(task.taskId), stored))],
      polls: sum(tasks.rows.map((row) => row.poll_no)),
      extraCalls: sum([...server.calls].map(([taskId, calls]) => Math.max(0, calls - (rows.get(taskId)?.calls ?? 0)))),
      rows,
    }
  } finally {
    await client.end()
  }
}

/** Rows that contradict each other, in words: what can be seen without knowing what DingTalk said. */
export async function inconsistencies(client: pg.Client): Promise<string[]> {
  const found = [...(await client.query(WRONG_COUNTS)).rows, ...(await client.query(UNREAD_AGAIN)).rows]
  return found.map((row) => `inconsistent: ${JSON.stringify(row)}`)
}

/** The same as an assertion: nothing is lost and nothing wrong. */
export async function checkTruth(databaseUrl: string, server: ApiPageServer): Promise<ReadonlyMap<string, TaskRow>> {
  const { lost, wrong, rows } = await judge(databaseUrl, server)
  expect({ lost, wrong }).toEqual({ lost: [], wrong: [] })
  return rows
}

function lossOf({ taskId }: SentTask, row: TaskRow | undefined, mayBeOpen: boolean): string[] {
  if (row === undefined) return [`task ${taskId} is not in the database`]
  if (row.status !== 'tracking') return []
  if (!mayBeOpen) return [`task ${taskId} has not ended`]
  // Without this time the reconciler would not find it.
  return row.next_poll_at === null ? [`task ${taskId} is open and never due`] : []
}

function wrongPeopleOf(task: SentTask, row: TaskRow | undefined, stored: ReadonlyMap<string, PersonRow>): string[] {
  if (row === undefined) return []
  return task.people.flatMap((person) => wrongsOf(task, row, person, stored.get(`${task.taskId} ${person.userId}`)))
}

function wrongsOf(task: SentTask, row: TaskRow, person: Person, stored: PersonRow | undefined): string[] {
  const who = `${person.userId} of task ${task.taskId}`
  const state = stored?.state ?? 'pending'
  if (row.last_good_requested_at === null || row.last_observed_at === null) {
    return state === 'pending' ? [] : [`${who} is ${state}, and there was no answer`]
  }
  // Between request and answer either is true.
  const possible = [row.last_good_requested_at, row.last_observed_at].map((at) => stateAt(person, at.getTime()))
  if (!possible.includes(state)) return [`${who} is ${state} and must be ${possible.join(' or ')}`]
  return stored?.state === 'read' && person.readAt !== null ? bracketFaults(who, task, person.readAt, stored) : []
}

function bracketFaults(who: string, task: SentTask, readAt: number, stored: PersonRow): string[] {
  const lower = stored.last_unread_at?.getTime() ?? task.sentAt
  const upper = stored.first_read_at?.getTime() ?? -Infinity
  return lower <= readAt && readAt <= upper ? [] : [`${who} read at ${readAt}, outside the bracket (${lower}, ${upper}]`]
}

function stateAt(person: Person, at: number): string {
  if (person.listedAt > at) return 'pending'
  if (person.fate !== 'delivered') return person.fate
  return hasRead(person, at) ? 'read' : 'unread'
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}

const WRONG_COUNTS = `
  SELECT t.task_id, t.read, t.unread, t.pending, t.failed, t.forbidden, t.invalid, t.poll_no, t.calls, r.*, p.*, c.*
  FROM delivery_task t
  CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE state = 'read') AS r_read, count(*) FILTER (WHERE state = 'unread') AS r_unread,
      count(*) FILTER (WHERE state = 'pending') AS r_pending, count(*) FILTER (WHERE state = 'failed') AS r_failed,
      count(*) FILTER (WHERE state = 'forbidden') AS r_forbidden, count(*) FILTER (WHERE state = 'invalid') AS r_invalid
    FROM delivery_recipient WHERE task_pk = t.id
  ) r
  CROSS JOIN LATERAL (SELECT count(*) AS polls, coalesce(sum(calls), 0) AS poll_calls FROM delivery_poll WHERE task_pk = t.id) p
  CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE to_state = 'read') AS became_read FROM delivery_transition WHERE task_pk = t.id) c
  WHERE (t.read, t.unread, t.pending, t.failed, t.forbidden, t.invalid) IS DISTINCT FROM
      (r.r_read, r.r_unread, r.r_pending, r.r_failed, r.r_forbidden, r.r_invalid)
    OR p.polls <> t.poll_no OR p.poll_calls > t.calls OR t.final_calls > t.calls OR c.became_read <> t.read`

/** (c) Nobody goes from read to anything else, in the row or in the history, and enters a state twice. */
const UNREAD_AGAIN = `
  SELECT moved.task_pk, moved.user_id, moved.to_state FROM delivery_transition AS moved
  JOIN delivery_recipient AS person USING (task_pk, user_id)
  WHERE moved.from_state = 'read' OR (moved.to_state = 'read' AND person.state <> 'read')
  UNION ALL
  SELECT task_pk, user_id, to_state FROM delivery_transition GROUP BY task_pk, user_id, to_state HAVING count(*) > 1`
