import pg from 'pg'
import { expect } from 'vitest'
import { type ApiPageServer, hasRead, type Person, type SentTask } from './api-page-server.ts'

interface TaskRow {
  readonly task_id: string
  readonly status: string
  readonly reason: string | null
  readonly last_good_requested_at: Date | null
  readonly last_observed_at: Date | null
  readonly poll_no: number
}

interface PersonRow {
  readonly task_id: string
  readonly user_id: string
  readonly state: string
  readonly last_unread_at: Date | null
  readonly first_read_at: Date | null
  readonly forbidden_code: string | null
}

/**
 * What must hold at the end of every run, whatever went wrong meanwhile: every task has ended once; the rows say what DingTalk's
 * last recorded answer said and never more; every true read time lies inside its bracket; and nothing was counted twice.
 */
export async function checkTruth(databaseUrl: string, server: ApiPageServer): Promise<Map<string, TaskRow>> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    const tasks = await client.query<TaskRow>('SELECT * FROM delivery_task')
    const people = await client.query<PersonRow>('SELECT * FROM delivery_recipient_status')
    const wrongCounts = await client.query(WRONG_COUNTS)
    expect(wrongCounts.rows, 'counts in the task rows equal the rows of its people, looks and transitions').toEqual([])
    for (const task of server.tasks.values()) {
      const row = tasks.rows.find((each) => each.task_id === task.taskId)
      expect(row, `task ${task.taskId} is in the database`).toBeDefined()
      if (row === undefined) continue
      expect(row.status, `task ${task.taskId} has ended`).not.toBe('tracking')
      for (const person of task.people)
        checkPerson(
          task,
          row,
          person,
          people.rows.find((each) => each.task_id === task.taskId && each.user_id === person.userId),
        )
    }
    return new Map(tasks.rows.map((row) => [row.task_id, row]))
  } finally {
    await client.end()
  }
}

function checkPerson(task: SentTask, row: TaskRow, person: Person, stored: PersonRow | undefined): void {
  const who = `${person.userId} of task ${task.taskId}`
  if (row.last_good_requested_at === null || row.last_observed_at === null) {
    expect(stored?.state ?? 'pending', `${who}: nothing is known without an answer`).toBe('pending')
    return
  }
  const [asked, answered] = [row.last_good_requested_at.getTime(), row.last_observed_at.getTime()]
  // Between request and answer either is true.
  expect(possibleStates(person, asked, answered), who).toContain(stored?.state ?? 'pending')
  if (stored?.state === 'read' && person.readAt !== null) {
    const lower = stored.last_unread_at?.getTime() ?? task.sentAt
    expect(lower, `${who}: the bracket begins before the read`).toBeLessThanOrEqual(person.readAt)
    expect(stored.first_read_at?.getTime(), `${who}: the bracket ends after the read`).toBeGreaterThanOrEqual(person.readAt)
  }
}

function possibleStates(person: Person, asked: number, answered: number): string[] {
  return [...new Set([asked, answered].map((at) => stateAt(person, at)))]
}

function stateAt(person: Person, at: number): string {
  if (person.listedAt > at) return 'pending'
  if (person.fate !== 'delivered') return person.fate
  return hasRead(person, at) ? 'read' : 'unread'
}

const WRONG_COUNTS = `
  SELECT t.task_id, t.read, t.unread, t.pending, t.failed, t.forbidden, t.invalid, t.poll_no, r.*, p.*, c.*
  FROM delivery_task t
  CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE state = 'read') AS r_read, count(*) FILTER (WHERE state = 'unread') AS r_unread,
      count(*) FILTER (WHERE state = 'pending') AS r_pending, count(*) FILTER (WHERE state = 'failed') AS r_failed,
      count(*) FILTER (WHERE state = 'forbidden') AS r_forbidden, count(*) FILTER (WHERE state = 'invalid') AS r_invalid
    FROM delivery_recipient WHERE task_pk = t.id
  ) r
  CROSS JOIN LATERAL (SELECT count(*) AS looks FROM delivery_poll WHERE task_pk = t.id) p
  CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE to_state = 'read') AS became_read FROM delivery_transition WHERE task_pk = t.id) c
  WHERE (t.read, t.unread, t.pending, t.failed, t.forbidden, t.invalid) IS DISTINCT FROM
      (r.r_read, r.r_unread, r.r_pending, r.r_failed, r.r_forbidden, r.r_invalid)
    OR p.looks <> t.poll_no OR c.became_read <> t.read`
