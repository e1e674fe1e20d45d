import { parseAnswer } from '../../../src/domain/answer.ts'
import type { Answer, Refusal, TaskKey } from '../../../src/domain/delivery.ts'
import { MINUTE_MS } from '../../../src/domain/delivery.ts'
import { NO_AGENT_ID_CODE, PROBLEM_RULES, TOKEN_REFUSED_CODE, toProblemCode } from '../../../src/domain/problems.ts'
import type { SendResult, SendResultApi, SendResultQuery } from '../../../src/polling/ports.ts'
import { agentIdOf, atMinute, type Day, type Fault, forgottenAt, type Said, type TaskSpec, WRONG_AGENT } from './day.ts'

/** One call of getsendresult that arrived at the server. */
export interface Received {
  readonly key: TaskKey
  readonly worker: number
  /** When the worker sent it. */
  readonly requestedAt: Date
  /** The effective code of the answer; `0`: it had lists. */
  readonly code: string
  readonly message: string
  /** DingTalk counts it for the monthly quota. */
  readonly isCounted: boolean
}

export interface DingTalk {
  readonly received: readonly Received[]
  /** getsendresult as one worker calls it. */
  apiOf(worker: number): SendResultApi
}

/** @param random numbers in [0, 1) */
export function createDingTalk(day: Day, now: () => Date, random: () => number): DingTalk {
  const received: Received[] = []
  const latency = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20 + random() * 1_500))

  async function call(worker: number, task: TaskSpec, agentId: string): Promise<Answer> {
    const requestedAt = now()
    await latency()
    const said = saidAt(day, { worker, task, agentId }, now())
    const rule = said === null ? null : PROBLEM_RULES[toProblemCode(said.code, said.message) ?? 'unknown_code']
    const isCounted = rule?.isCounted ?? true
    received.push({ key: task.key, worker, requestedAt, isCounted, code: said?.code ?? '0', message: said?.message ?? '' })
    const truth = listsAt(day, task, now())
    await latency()
    return said === null
      ? parseAnswer({ errcode: 0, send_result: truth }, exchange(requestedAt, now()))
      : answered(said, requestedAt, now())
  }

  async function sendResult(worker: number, query: SendResultQuery, signal: AbortSignal): Promise<SendResult> {
    const task = day.tasks.find(({ key }) => key.app === query.app && key.taskId === query.taskId)
    if (task === undefined) throw new Error(`no task ${query.taskId} was sent`)
    const agentId = agentIdOf(day, { key: task.key, agentId: query.agentId })
    if (agentId === null) return { answer: refused({ code: NO_AGENT_ID_CODE, message: 'no agent id' }, now(), null), calls: 0 }
    const noToken = tokenFaultAt(day, worker, query.app, now())
    if (noToken !== null) {
      const askedAt = now()
      await latency()
      return { answer: refused(noToken, askedAt, null), calls: 0 }
    }
    const first = await call(worker, task, agentId)
    if (!isTokenRefused(first)) return { answer: first, calls: 1 }
    if (!(await query.mayRepeat(signal))) return { answer: { ...first, code: 'NOT_REPEATED' }, calls: 1 }
    const second = await call(worker, task, agentId)
    return { answer: isTokenRefused(second) ? { ...second, code: TOKEN_REFUSED_CODE } : second, calls: 2 }
  }
  return { received, apiOf: (worker) => ({ sendResult: (query, signal) => sendResult(worker, query, signal) }) }
}

function isTokenRefused(answer: Answer): answer is Refusal {
  return answer.kind === 'refused' && toProblemCode(answer.code, answer.message) === 'token_refused'
}

const exchange = (requestedAt: Date, respondedAt: Date) => ({ requestedAt, respondedAt })

function refused({ code, message }: Said, requestedAt: Date, respondedAt: Date | null): Refusal {
  return { kind: 'refused', code, message, requestId: null, requestedAt, respondedAt }
}

function answered(said: Said, requestedAt: Date, at: Date): Answer {
  return said.code === '0' ? parseAnswer({ errcode: 0, send_result: null }, exchange(requestedAt, at)) : refused(said, requestedAt, at)
}

function isDuring(day: Day, { begin, end }: Fault, at: Date): boolean {
  return at >= atMinute(day, begin) && at < atMinute(day, end)
}

/** Why a worker has no token for an app; null: it has one. */
export function tokenFaultAt(day: Day, worker: number, app: string, at: Date): Said | null {
  const fault = day.faults.find(
    (each) =>
      isDuring(day, each, at) &&
      (each.scope === 'token outage' ||
        (each.scope === 'worker' && each.kind === 'credentials' && each.worker === worker && each.app === app)),
  )
  return fault?.said ?? null
}

interface Call {
  readonly worker: number
  readonly task: TaskSpec
  readonly agentId: string
}

/** The order in which DingTalk polls: can it be reached, the token, the limits, the permission, the parameters. */
const ORDER: ReadonlyArray<(fault: Fault, call: Call) => boolean> = [
  (fault) => fault.scope === 'outage',
  (fault, { worker, task }) =>
    fault.scope === 'worker' && fault.kind !== 'credentials' && fault.worker === worker && fault.app === task.key.app,
  (fault, { task }) => fault.scope === 'app' && fault.app === task.key.app,
  (fault, { task, agentId }) => fault.scope === 'pair' && fault.app === task.key.app && fault.agentId === agentId,
]
const isOfTask = (fault: Fault, { task }: Call): boolean =>
  (fault.scope === 'task' || fault.scope === 'answer') && fault.key.app === task.key.app && fault.key.taskId === task.key.taskId

/** What the server refuses a call with; null: it answers. */
function saidAt(day: Day, call: Call, at: Date): Said | null {
  const now = day.faults.filter((fault) => isDuring(day, fault, at))
  const wide = ORDER.flatMap((matches) => now.find((fault) => matches(fault, call)) ?? [])[0]
  if (wide !== undefined) return { code: wide.said.code, message: messageOf(day, wide) }
  if (call.agentId === WRONG_AGENT) return { code: '41011', message: 'invalid agent id' }
  if (at >= forgottenAt(day, call.task)) return { code: call.task.forgottenCode, message: 'forgotten' }
  return now.find((fault) => isOfTask(fault, call))?.said ?? null
}

const CHINA_MS = 8 * 60 * MINUTE_MS

function messageOf(day: Day, fault: Fault): string {
  if (fault.scope !== 'app' || !fault.endIsNamed) return fault.said.message
  const end = new Date(atMinute(day, fault.end).getTime() + CHINA_MS).toISOString()
  return `${fault.said.message} 限制将在 ${end.slice(0, 10)} ${end.slice(11, 19)} 结束.`
}

/** Who is in which list: pending, then unread, then read for ever; or one of the other lists for ever. */
function listsAt(day: Day, task: TaskSpec, at: Date) {
  const minute = (at.getTime() - atMinute(day, task.sentMinute).getTime()) / MINUTE_MS
  const namesOf = (list: string): string[] => task.people.filter((person) => listOf(person, minute) === list).map(({ userId }) => userId)
  return {
    read_user_id_list: namesOf('read'),
    unread_user_id_list: namesOf('unread'),
    failed_user_id_list: namesOf('failed'),
    invalid_user_id_list: namesOf('invalid'),
    forbidden_list: namesOf('forbidden').map((userid) => ({ code: '143105', count: 500, userid })),
  }
}

function listOf({ listedAfter, readAfter, end }: TaskSpec['people'][number], minute: number): string | null {
  if (minute < listedAfter) return null
  if (end === 'reads') return minute < listedAfter + readAfter ? 'unread' : 'read'
  return end === 'never reads' ? 'unread' : end
}
