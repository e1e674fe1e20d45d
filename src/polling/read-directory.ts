import { setTimeout as sleep } from 'node:timers/promises'
import type { Refusal } from '../domain/delivery.ts'
import { type Department, type DepartmentMembers, type Member, ROOT_DEPARTMENT } from '../domain/directory.ts'
import { PROBLEM_RULES, parsePenaltyEnd, toProblemCode } from '../domain/problems.ts'
import type { Permit, Permits } from './permits.ts'
import type { Clock, ContactCall, ContactResult, ContactsApi, RateLimiter } from './ports.ts'

/** Reads departments and their members from DingTalk's contact API. Each call has a permit like that of any poll; nothing is stored here. */
export interface DirectoryDeps {
  readonly contacts: ContactsApi
  readonly permits: Permits
  readonly limiter: Pick<RateLimiter, 'refund'>
  readonly now: Clock
  readonly app: string
}

export type Denied = Exclude<Permit, { readonly kind: 'granted' }>
export type ContactName = keyof ContactsApi

/** Why the reading ended before its end. */
export type DirectoryFailure =
  | { readonly kind: 'refused'; readonly answer: Refusal; readonly name: ContactName; readonly departmentId: string }
  | { readonly kind: 'not permitted'; readonly permit: Denied }
  /** No call was free for so long. */
  | { readonly kind: 'busy'; readonly waitedMs: number }

/** Carries a failure out of the walk: none of what was read until then is of use. */
export class DirectoryReadError extends Error {
  override readonly name = 'DirectoryReadError'
  readonly failure: DirectoryFailure

  constructor(failure: DirectoryFailure) {
    super(failure.kind === 'refused' ? `DingTalk refused ${failure.name}: ${failure.answer.code}` : failure.kind)
    this.failure = failure
  }
}

/** The calls of one reading, one after another: the workers' polls go on beside them. */
export interface ContactCalls {
  /** @throws {DirectoryReadError} */
  ask<Value>(
    name: ContactName,
    departmentId: string,
    call: (api: ContactsApi, call: ContactCall) => Promise<ContactResult<Value>>,
  ): Promise<Value>
  /** Calls that were sent so far. */
  made(): number
}

/** How long one call may wait for a permit, in milliseconds: the workers use the rate too, and their final polls go first. */
const PERMIT_TIMEOUT_MS = 60_000

/** Attempts for one answer. What DingTalk's rate limit refused is not counted by DingTalk. */
const ATTEMPTS = { rate_limit: 5, outage: 3 } as const

/** Until the next attempt where DingTalk's answer has no time, and at most, in milliseconds. */
const RETRY_MS = 1_000
const LONGEST_RETRY_MS = 30_000

export function createContactCalls(deps: DirectoryDeps, signal: AbortSignal): ContactCalls {
  let made = 0
  return {
    made: () => made,
    async ask(name, departmentId, call) {
      for (let attempt = 1; ; attempt++) {
        const { answer, calls } = await callOnce(deps, call, signal)
        made += calls
        if (answer.kind === 'answered') return answer.value
        const retryMs = chooseRetryMs(answer, attempt, deps.now())
        if (retryMs === null) throw new DirectoryReadError({ kind: 'refused', answer, name, departmentId })
        await sleep(retryMs, undefined, { signal })
      }
    },
  }
}

/** One call, and a second with a fresh token where DingTalk refused the first. Permits of calls that DingTalk does not count are given back. */
async function callOnce<Value>(
  deps: DirectoryDeps,
  call: (api: ContactsApi, call: ContactCall) => Promise<ContactResult<Value>>,
  signal: AbortSignal,
): Promise<ContactResult<Value>> {
  const permit = await takePermit(deps, signal)
  if (permit.kind !== 'granted') throw new DirectoryReadError({ kind: 'not permitted', permit })
  const months = [permit.month]
  const mayRepeat = async (): Promise<boolean> => {
    const second = await takePermit(deps, signal)
    if (second.kind === 'granted') months.push(second.month)
    return second.kind === 'granted'
  }
  const result = await call(deps.contacts, { signal, mayRepeat })
  const counted = isCounted(result.answer) ? result.calls : Math.max(0, result.calls - 1)
  for (const month of months.slice(counted)) await deps.limiter.refund(deps.app, month, 1)
  return result
}

async function takePermit({ permits, app, now }: DirectoryDeps, signal: AbortSignal): Promise<Permit> {
  const waiting = AbortSignal.any([signal, AbortSignal.timeout(PERMIT_TIMEOUT_MS)])
  try {
    return await permits.take({ app, deadlineAt: now(), urgent: false, reserved: false, forced: false }, waiting)
  } catch (error) {
    signal.throwIfAborted()
    if (waiting.aborted) throw new DirectoryReadError({ kind: 'busy', waitedMs: PERMIT_TIMEOUT_MS })
    throw error
  }
}

function isCounted(answer: ContactResult<unknown>['answer']): boolean {
  const problem = answer.kind === 'refused' ? toProblemCode(answer.code, answer.message) : null
  return problem === null || PROBLEM_RULES[problem].isCounted
}

/** Null: another attempt would be refused too, or there were enough. */
function chooseRetryMs({ code, message }: Refusal, attempt: number, now: Date): number | null {
  const problem = toProblemCode(code, message)
  if ((problem !== 'rate_limit' && problem !== 'outage') || attempt >= ATTEMPTS[problem]) return null
  const end = parsePenaltyEnd(message)
  const untilEndMs = end === null ? RETRY_MS * attempt : end.getTime() - now.getTime()
  return untilEndMs > LONGEST_RETRY_MS ? null : Math.max(RETRY_MS / 10, untilEndMs)
}

/** The departments of a reading. */
export interface DepartmentTree {
  /** The root of the reading, those below it, and those above it as far as DingTalk names them. */
  readonly departments: readonly Department[]
  /** The ids of the root and of those below it: whose members are read. */
  readonly read: readonly string[]
  /** False: the app may not see a department above the root, so that paths begin below that one. */
  readonly reachesTop: boolean
}

/**
 * One call for each department, and one for each that is above the root.
 * @throws {DirectoryReadError}
 */
export async function readDepartments(calls: ContactCalls, rootId: string): Promise<DepartmentTree> {
  const { above, reachesTop } = await readAbove(calls, rootId)
  const found = new Map(above.map((each) => [each.id, each]))
  const read = [rootId]
  for (const id of read) {
    const below = await calls.ask('listsub', id, (api, call) => api.listsub(id, call))
    for (const department of below) {
      // Each is asked for once, whatever the answers say: a department that was listed twice would be read for ever.
      if (read.includes(department.id)) continue
      found.set(department.id, { ...department, parentId: id })
      read.push(department.id)
    }
  }
  return { departments: [...found.values()], read, reachesTop }
}

/** The root itself and what is above it, so that the paths are the same whichever department a reading begins with. */
async function readAbove(
  calls: ContactCalls,
  rootId: string,
): Promise<{ readonly above: readonly Department[]; readonly reachesTop: boolean }> {
  const above: Department[] = []
  for (let id: string | null = rootId; id !== null && id !== ROOT_DEPARTMENT && !above.some((each) => each.id === id); ) {
    const wanted: string = id
    try {
      const department = await calls.ask('get', wanted, (api, call) => api.get(wanted, call))
      above.push(department)
      id = department.parentId
    } catch (error) {
      if (above.length > 0 && isOutOfScope(error)) return { above, reachesTop: false }
      throw error
    }
  }
  return { above, reachesTop: true }
}

function isOutOfScope(error: unknown): boolean {
  return error instanceof DirectoryReadError && error.failure.kind === 'refused' && OUT_OF_SCOPE.has(error.failure.answer.code)
}

/** "The department is not in the scope that the app may see." Seen at the old address `department/list`; not confirmed for the new ones. */
export const OUT_OF_SCOPE: ReadonlySet<string> = new Set(['50004', '50002'])

/**
 * At least one call for each department, and one more for each further hundred people in it.
 * @param onDepartment called after each, with how many were read
 * @throws {DirectoryReadError}
 */
export async function readMembers(
  calls: ContactCalls,
  ids: readonly string[],
  onDepartment: (done: number) => void,
): Promise<DepartmentMembers[]> {
  const lists: DepartmentMembers[] = []
  for (const departmentId of ids) {
    const members: Member[] = []
    for (let cursor: number | null = 0; cursor !== null; ) {
      const from: number = cursor
      const page = await calls.ask('listsimple', departmentId, (api, call) => api.listsimple(departmentId, from, call))
      members.push(...page.members)
      cursor = page.next
    }
    lists.push({ departmentId, members })
    onDepartment(lists.length)
  }
  return lists
}
