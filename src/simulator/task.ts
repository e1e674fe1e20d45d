import type { Fate, Person } from './fate.ts'
import { HOUR_MS } from './settings.ts'

export const DAY_MS = 24 * HOUR_MS

/** getsendresult answers for at most as many recipients. Source: the API page, "Notes". */
export const MAX_RECIPIENTS = 100

export interface SimulatedTask {
  readonly taskId: string
  readonly appKey: string
  readonly agentId: string
  /** Epoch ms. */
  readonly sentAt: number
  /** Epoch ms; from then on the task cannot be queried. */
  readonly deadline: number
  readonly recalledAt: number | null
  readonly people: readonly Person[]
  readonly invalidDepartments: readonly number[]
}

export interface ForbiddenEntry {
  readonly code: string
  readonly count: number
  readonly userid: string
}

/** `send_result` as the gateway writes it: `forbidden_user_id_list` is absent when it would be empty. */
export interface SendResult {
  readonly failed_user_id_list: string[]
  readonly forbidden_list: ForbiddenEntry[]
  readonly forbidden_user_id_list?: string[]
  readonly invalid_dept_id_list: number[]
  readonly invalid_user_id_list: string[]
  readonly read_user_id_list: string[]
  readonly unread_user_id_list: string[]
}

/** The truth about one person in one task, which a tracker should find. */
export interface RecipientTruth {
  readonly userId: string
  readonly fate: Fate
  /** When a list first names the person; null: never. */
  readonly processedAt: Date | null
  /** When the person really reads; null: never. It may lie in the future, or after the deadline, where no answer shows it. */
  readonly readAt: Date | null
  readonly forbiddenCode: string | null
}

export interface TaskTruth {
  readonly taskId: string
  readonly appKey: string
  readonly agentId: string
  readonly sentAt: Date
  readonly deadline: Date
  readonly recalledAt: Date | null
  readonly recipients: readonly RecipientTruth[]
}

/** What getsendresult lists at `at`. A person whose message is not processed yet is in no list. */
export function sendResultAt(task: SimulatedTask, at: number): SendResult {
  const seen = task.people.filter((person) => person.processedAt <= at)
  const throttled = seen.filter((person) => person.fate === 'forbidden')
  const ids = throttled.filter((person) => person.forbidden?.listedIn !== 'reasons').map(userIdOf)
  return {
    failed_user_id_list: withFate(seen, 'failed'),
    forbidden_list: throttled.flatMap(forbiddenEntry),
    ...(ids.length > 0 && { forbidden_user_id_list: ids }),
    invalid_dept_id_list: [...task.invalidDepartments],
    invalid_user_id_list: withFate(seen, 'invalid'),
    read_user_id_list: seen.filter((person) => person.readAt <= at).map(userIdOf),
    unread_user_id_list: seen.filter((person) => isDelivered(person) && person.readAt > at).map(userIdOf),
  }
}

/** `progress` of getsendprogress: 0 not begun, 1 under way, 2 done. */
export function progressAt(task: SimulatedTask, at: number): { progress_in_percent: number; status: 0 | 1 | 2 } {
  const done = task.people.filter((person) => person.processedAt <= at).length
  if (done === task.people.length) return { progress_in_percent: 100, status: 2 }
  return { progress_in_percent: Math.floor((100 * done) / task.people.length), status: done === 0 ? 0 : 1 }
}

/** People who have not read a recalled message never read it. */
export function recalled(task: SimulatedTask, at: number): SimulatedTask {
  if (task.recalledAt !== null) return task
  const people = task.people.map((person) => (person.readAt > at ? { ...person, readAt: Infinity } : person))
  return { ...task, people, recalledAt: at }
}

export function toTruth(task: SimulatedTask): TaskTruth {
  const { taskId, appKey, agentId, sentAt, deadline, recalledAt, people } = task
  return {
    ...{ taskId, appKey, agentId, sentAt: new Date(sentAt), deadline: new Date(deadline) },
    recalledAt: recalledAt === null ? null : new Date(recalledAt),
    recipients: people.map(({ userId, fate, processedAt, readAt, forbidden }) => ({
      ...{ userId, fate, processedAt: dateOrNull(processedAt), readAt: dateOrNull(readAt) },
      forbiddenCode: forbidden?.code ?? null,
    })),
  }
}

/** A law with a large spread may draw a time beyond the range of Date, which means never. */
function dateOrNull(ms: number): Date | null {
  return Math.abs(ms) <= 8.64e15 ? new Date(ms) : null
}

function isDelivered(person: Person): boolean {
  return person.fate === 'read' || person.fate === 'never'
}

function userIdOf(person: Person): string {
  return person.userId
}

function withFate(people: readonly Person[], fate: Fate): string[] {
  return people.filter((person) => person.fate === fate).map(userIdOf)
}

function forbiddenEntry({ userId, forbidden }: Person): ForbiddenEntry[] {
  if (forbidden === undefined || forbidden.listedIn === 'ids') return []
  return [{ code: forbidden.code, count: forbidden.count, userid: userId }]
}
