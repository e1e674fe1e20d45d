import type { Pool } from 'pg'
import type { StateKind } from '../../../src/domain/delivery.ts'
import type { SentBracket } from '../../../src/report/read-brackets.ts'

/**
 * The figures of the reader, recomputed from the tables in the most obvious way: no view, no SQL but SELECT, no code of the reader.
 */

export interface RawTask {
  readonly id: string
  readonly app: string
  readonly task_id: string
  readonly campaign: string | null
  readonly status: string
  readonly sent_at: Date
  readonly sent_at_given: boolean
  readonly deadline_at: Date
  readonly tracked_at: Date
  readonly last_good_requested_at: Date | null
  readonly last_observed_at: Date | null
  readonly finished_at: Date | null
  readonly poll_no: number
}

export interface RawPerson {
  readonly task: RawTask
  readonly user_id: string
  readonly named: boolean
  readonly state: StateKind
  readonly first_seen_at: Date | null
  readonly last_unread_at: Date | null
  readonly first_read_at: Date | null
  readonly forbidden_code: string | null
  readonly forbidden_count: number | null
}

export interface RawLook {
  readonly task: RawTask
  readonly poll_no: number
  readonly requested_at: Date
  readonly responded_at: Date | null
  readonly outcome: string
  readonly code: string
  readonly message: string | null
  readonly read: number | null
  readonly unread: number | null
}

export interface RawChange {
  readonly task: RawTask
  readonly user_id: string
  readonly to_state: StateKind
  readonly at: Date
  readonly poll_no: number
}

export interface Tables {
  readonly tasks: readonly RawTask[]
  readonly people: readonly RawPerson[]
  readonly polls: readonly RawLook[]
  readonly changes: readonly RawChange[]
}

/** What the tables say of one app. */
export async function readTables(pool: Pool, app: string): Promise<Tables> {
  const { rows: tasks } = await pool.query<RawTask>('SELECT * FROM delivery_task WHERE app = $1', [app])
  const byId = new Map(tasks.map((task) => [task.id, task]))
  const of = async <Row>(table: string): Promise<Array<Row & { readonly task: RawTask }>> => {
    const { rows } = await pool.query<Row & { readonly task_pk: string }>(`SELECT * FROM ${table}`)
    return rows.flatMap((row) => {
      const task = byId.get(row.task_pk)
      return task === undefined ? [] : [{ ...row, task }]
    })
  }
  return {
    tasks,
    people: await of<Omit<RawPerson, 'task'>>('delivery_recipient'),
    polls: await of<Omit<RawLook, 'task'>>('delivery_poll'),
    changes: await of<Omit<RawChange, 'task'>>('delivery_transition'),
  }
}

/** What the tables say of the tasks that are wanted. */
export function only({ tasks, people, polls, changes }: Tables, wanted: (task: RawTask) => boolean): Tables {
  const has = ({ task }: { readonly task: RawTask }): boolean => wanted(task)
  return { tasks: tasks.filter(wanted), people: people.filter(has), polls: polls.filter(has), changes: changes.filter(has) }
}

const BEST_FIRST: readonly StateKind[] = ['read', 'unread', 'pending', 'forbidden', 'failed', 'invalid']

export const byName = <Row extends { readonly user_id: string }>(a: Row, b: Row): number =>
  Buffer.compare(Buffer.from(a.user_id), Buffer.from(b.user_id))

/** Everybody once, with the rows of all tasks; the best state first, of several the latest sent, then the lowest id. */
export function onePerPerson(people: readonly RawPerson[]): RawPerson[][] {
  const names = [...new Set(people.map(({ user_id }) => user_id))]
  return names
    .map((name) =>
      people
        .filter(({ user_id }) => user_id === name)
        .sort(
          (a, b) =>
            BEST_FIRST.indexOf(a.state) - BEST_FIRST.indexOf(b.state) ||
            b.task.sent_at.getTime() - a.task.sent_at.getTime() ||
            (a.task.task_id < b.task.task_id ? -1 : 1),
        ),
    )
    .sort(([a], [b]) => (a && b ? byName(a, b) : 0))
}

export function figuresOf(states: readonly StateKind[]) {
  const count = (state: StateKind): number => states.filter((each) => each === state).length
  const [read, unread] = [count('read'), count('unread')]
  const parts = {
    read,
    unread,
    pending: count('pending'),
    failed: count('failed'),
    forbidden: count('forbidden'),
    invalid: count('invalid'),
  }
  const delivered = read + unread
  return {
    ...parts,
    delivered,
    targeted: states.length,
    readRate: delivered === 0 ? null : read / delivered,
    readRateOfTargeted: states.length === 0 ? null : read / states.length,
  }
}

export const latestOf = (times: ReadonlyArray<Date | null>): Date | null =>
  times.reduce((latest, time) => (time !== null && (latest === null || time > latest) ? time : latest), null)

/** An unread person whom the last successful poll listed has no time of their own. */
export function lastUnreadOf({ state, last_unread_at, task }: RawPerson): Date | null {
  return state === 'unread' ? (last_unread_at ?? task.last_good_requested_at) : last_unread_at
}

const earliest = (times: readonly Date[]): Date => new Date(Math.min(...times.map((time) => time.getTime())))

/** Null where one of them is not known: it may have been before all others. */
const earliestOrNull = (times: ReadonlyArray<Date | null>): Date | null => {
  const known = times.filter((time) => time !== null)
  return known.length < times.length ? null : earliest(known)
}

/** The bracket of one person who was delivered in these tasks, which are one message. */
function bracketOf(rows: readonly RawPerson[]): SentBracket {
  const sentAt = earliest(rows.map(({ task }) => task.sent_at))
  const first = rows
    .filter(({ task }) => task.sent_at.getTime() === sentAt.getTime())
    .sort((a, b) => (a.task.task_id < b.task.task_id ? -1 : 1))[0]
  const reads = rows.flatMap(({ first_read_at }) => first_read_at ?? [])
  return {
    sentAt,
    deadlineAt: first?.task.deadline_at ?? sentAt,
    afterAt: earliestOrNull(rows.map((row) => lastUnreadOf(row) ?? (row.task.sent_at_given ? row.task.sent_at : null))),
    beforeAt: reads.length === 0 ? null : earliest(reads),
  }
}

/** People of one message count once; tasks without a campaign are each a message. */
export function bracketsOf(people: readonly RawPerson[]): SentBracket[] {
  const delivered = people.filter(({ state }) => state === 'read' || state === 'unread')
  const keys = new Map<string, RawPerson[]>()
  for (const person of delivered) {
    const { campaign, task_id } = person.task
    const key = JSON.stringify([campaign, campaign === null ? task_id : '', person.user_id])
    keys.set(key, [...(keys.get(key) ?? []), person])
  }
  return [...keys.values()].map(bracketOf)
}

/** At every end of a bracket, counted anew. */
export function boundsOf(brackets: readonly SentBracket[]) {
  const ends = brackets.flatMap((bracket) => [begin(bracket), ...(bracket.beforeAt === null ? [] : [bracket.beforeAt.getTime()])])
  return [...new Set(ends)]
    .sort((a, b) => a - b)
    .map((at) => ({
      at: new Date(at),
      atLeast: brackets.filter(({ beforeAt }) => beforeAt !== null && beforeAt.getTime() <= at).length,
      atMost: brackets.filter((bracket) => begin(bracket) <= at).length,
    }))
}

const begin = ({ sentAt, afterAt, beforeAt }: SentBracket): number =>
  Math.min((afterAt ?? sentAt).getTime(), beforeAt?.getTime() ?? Infinity)

/** Who was delivered, and who had read, at each moment at which anybody's state changed to one of the two. */
export function campaignCurveOf(changes: readonly RawChange[]) {
  const told = changes.filter(({ to_state }) => to_state === 'unread' || to_state === 'read')
  const people = new Set(told.map(({ user_id }) => user_id))
  const firstOf = (wanted: readonly RawChange[]): number[] =>
    [...people].flatMap((name) => {
      const times = wanted.filter(({ user_id }) => user_id === name).map(({ at }) => at.getTime())
      return times.length === 0 ? [] : [Math.min(...times)]
    })
  const delivered = firstOf(told)
  const read = firstOf(told.filter(({ to_state }) => to_state === 'read'))
  return [...new Set([...delivered, ...read])]
    .sort((a, b) => a - b)
    .map((now) => {
      const counts = { delivered: delivered.filter((at) => at <= now).length, read: read.filter((at) => at <= now).length }
      return { at: new Date(now), ...counts, readRate: counts.read / counts.delivered }
    })
}

const CLIMB: readonly StateKind[] = ['pending', 'invalid', 'failed', 'forbidden', 'unread', 'read']

/** What was known of a task's people at a moment. */
export function knownAt({ tasks, people, changes }: Tables, now: Date) {
  const [task] = tasks
  if (task === undefined || task.tracked_at > now) return []
  return people.toSorted(byName).flatMap(({ user_id, named }) => {
    const own = changes
      .filter((change) => change.user_id === user_id && change.at <= now)
      .sort((a, b) => CLIMB.indexOf(b.to_state) - CLIMB.indexOf(a.to_state))[0]
    if (own === undefined) return named ? [{ userId: user_id, state: 'pending', since: task.tracked_at }] : []
    return [{ userId: user_id, state: own.to_state, since: own.at }]
  })
}
