import { hash53 } from './chance.ts'
import { type Directory, membersBelow, ROOT_ID } from './directory.ts'
import type { Forbiddance } from './fate.ts'
import { type Fields, textField } from './request.ts'
import { DAY_MS, MAX_RECIPIENTS } from './task.ts'
import type { Token } from './tokens.ts'

const MAX_DEPARTMENTS = 20
const DEPARTMENT_SIZE = 120
const ORGANISATION_SIZE = 300

export interface Audience {
  readonly userIds: readonly string[]
  readonly invalidDepartments: readonly number[]
}

/**
 * The people that asyncsend_v2 sends to. Listed people beyond 100 are dropped silently; departments and `to_all_user` may give more than 100: those
 * of the directory, or made-up ones where the directory has none.
 */
export function parseAudience(fields: Fields, directory: Directory): Audience {
  const { isDepartment, members: membersOf } = directory.people.length === 0 ? MADE_UP : departmentsOf(directory)
  const departments = listField(fields, 'dept_id_list').slice(0, MAX_DEPARTMENTS).map(Number)
  const valid = departments.filter(isDepartment)
  const listed = listField(fields, 'userid_list').slice(0, MAX_RECIPIENTS)
  const isToAll = textField(fields, 'to_all_user') === 'true' || fields.get('to_all_user') === true
  const members = membersOf(valid, isToAll)
  return {
    userIds: [...new Set([...listed, ...members])],
    invalidDepartments: departments.filter((id) => !isDepartment(id)).map((id) => (Number.isFinite(id) ? id : 0)),
  }
}

export type SendHistory = ReturnType<typeof createSendHistory>

/** The messages of the last day, by person. DingTalk does not deliver an identical text twice, nor more than a daily number of messages. */
export function createSendHistory(timeScale: number) {
  const dayMs = DAY_MS / timeScale
  const texts = new Map<string, number>()
  const counts = new Map<string, { readonly since: number; count: number }>()
  let nextSweepAt = 0

  function countToday(person: string, at: number): { readonly since: number; count: number } {
    const known = counts.get(person)
    if (known !== undefined && known.since > at - dayMs) return known
    const fresh = { since: at, count: 0 }
    counts.set(person, fresh)
    return fresh
  }

  return {
    /** Why DingTalk does not deliver this message to this person. Undefined: it delivers the message, which is recorded. */
    refusal(token: Token, userId: string, message: string, at: number): Forbiddance | undefined {
      const person = `${token.appKey}\u0000${userId}`
      const text = `${person}\u0000${hash53(message)}`
      const limits = token.kind === 'internal' ? INTERNAL_LIMITS : THIRD_PARTY_LIMITS
      if ((texts.get(text) ?? -Infinity) > at - dayMs) return limits.duplicate
      const today = countToday(person, at)
      if (today.count >= limits.daily.count) return limits.daily
      today.count += 1
      texts.set(text, at)
      return undefined
    },

    /** Called at each send, works once a day: bounds the memory of a simulator that runs for long. */
    forget(at: number): void {
      if (at < nextSweepAt) return
      nextSweepAt = at + dayMs
      for (const [text, sentAt] of texts) if (sentAt <= at - dayMs) texts.delete(text)
      for (const [person, { since }] of counts) if (since <= at - dayMs) counts.delete(person)
    },
  }
}

/** Source: the API page, `forbidden_user_id_list` and the table of error codes. */
const INTERNAL_LIMITS = buildLimits('143105', 500, '143106')
const THIRD_PARTY_LIMITS = buildLimits('143205', 100, '143206')

function buildLimits(daily: string, count: number, duplicate: string): { daily: Forbiddance; duplicate: Forbiddance } {
  return { daily: { code: daily, count, listedIn: 'both' }, duplicate: { code: duplicate, count: 1, listedIn: 'both' } }
}

function listField(fields: Fields, name: string): string[] {
  const value = fields.get(name)
  const parts = Array.isArray(value) ? value.map(String) : (textField(fields, name) ?? '').split(',')
  return parts.map((part) => part.trim()).filter((part) => part !== '')
}

interface Departments {
  isDepartment(id: number): boolean
  members(departments: readonly number[], isToAll: boolean): readonly string[]
}

const MADE_UP: Departments = {
  isDepartment: (id) => Number.isSafeInteger(id) && id > 0,
  members: (departments, isToAll) => [
    ...departments.flatMap((id) => madeUpIds(id, DEPARTMENT_SIZE)),
    ...(isToAll ? madeUpIds(ROOT_ID, ORGANISATION_SIZE) : []),
  ],
}

function departmentsOf(directory: Directory): Departments {
  return {
    isDepartment: (id) => directory.departments.some(({ deptId }) => deptId === id),
    members: (departments, isToAll) => membersBelow(directory, isToAll ? [ROOT_ID] : departments),
  }
}

function madeUpIds(department: number, size: number): string[] {
  const prefix = String(department).padStart(10, '0')
  return Array.from({ length: size }, (_, i) => `${prefix}${String(i + 1).padStart(6, '0')}`)
}
