import { parseAnswer } from '../../../src/domain/answer.ts'
import { HOUR_MS, MINUTE_MS, SECOND_MS, type TaskProblem } from '../../../src/domain/delivery.ts'
import { planPoll, planStart, type WritePlan } from '../../../src/domain/plan.ts'
import { buildTiming } from '../../../src/domain/poll-times.ts'
import { PROBLEM_RULES, type Problem } from '../../../src/domain/problems.ts'
import type { DelayReason } from '../../../src/domain/reasons.ts'
import type { TrackRequest } from '../../../src/intake/track-request.ts'
import type { Delay, DeliveryStore, LoadedTask, Scheduled, UnscheduledTask } from '../../../src/polling/ports.ts'

export const TIMING = buildTiming(24)
/** Every message of these tests was sent an hour before they ran. */
export const SENT = new Date(Date.now() - HOUR_MS)
export const minutesLater = (minutes: number): Date => new Date(SENT.getTime() + minutes * MINUTE_MS)
/** An answer takes a second in these tests. */
export const answeredAt = (minutes: number): Date => new Date(minutesLater(minutes).getTime() + SECOND_MS)

let lastId = 256_271_667_000

export function aRequest(fields: Partial<TrackRequest> = {}): TrackRequest {
  lastId++
  return { app: 'default', taskId: String(lastId), agentId: null, userIds: null, campaign: null, sentAt: SENT, ...fields }
}

/** Who is in which list of an answer. */
export interface Lists {
  readonly read?: readonly string[]
  readonly unread?: readonly string[]
  readonly failed?: readonly string[]
  readonly invalid?: readonly string[]
  readonly forbidden?: readonly string[]
}

/** The plan for a good answer to a request that was sent so many minutes after the message. */
export function planFor(task: LoadedTask, lists: Lists, minutes: number, calls = 1): WritePlan {
  const body = {
    errcode: 0,
    request_id: `r${minutes}`,
    send_result: {
      read_user_id_list: lists.read,
      unread_user_id_list: lists.unread,
      failed_user_id_list: lists.failed,
      invalid_user_id_list: lists.invalid,
      forbidden_list: lists.forbidden?.map((userid) => ({ code: '143105', count: 500, userid })),
    },
  }
  return planBody(task, body, minutes, calls)
}

/** The plan for any answer. @param calls of getsendresult that it took */
export function planBody(task: LoadedTask, body: unknown, minutes: number, calls = 1): WritePlan {
  const answer = parseAnswer(body, { requestedAt: minutesLater(minutes), respondedAt: answeredAt(minutes) })
  return planPoll(task, answer, calls, answeredAt(minutes), TIMING)
}

export async function loaded(store: DeliveryStore, key: LoadedTask['key']): Promise<LoadedTask> {
  const task = await store.load(key)
  if (task === null) throw new Error(`task ${key.taskId} is not there`)
  return task
}

export async function aTask(store: DeliveryStore, fields: Partial<TrackRequest> = {}): Promise<LoadedTask> {
  const request = aRequest(fields)
  await store.track([request])
  return await loaded(store, request)
}

/** One poll, whole: load, plan, apply. */
export async function lookAt(store: DeliveryStore, key: LoadedTask['key'], lists: Lists, minutes: number): Promise<LoadedTask> {
  const stored = await store.apply(planFor(await loaded(store, key), lists, minutes))
  if (stored !== 'stored') throw new Error(`the poll ${minutes} minutes after the send was ${stored}`)
  return await loaded(store, key)
}

export function adoptAll(store: DeliveryStore, limit = 1_000): Promise<Scheduled[]> {
  return store.schedule((task: UnscheduledTask) => planStart(task, SENT, TIMING), limit)
}

/** What `delay` writes for a task without a problem: by default its poll waits for the call rate. */
export function aDelay(nextPollAt: Date, fields: Partial<Delay> = {}): Delay {
  return { nextPollAt, reason: { code: 'call_rate', detail: null }, problem: null, failuresInRow: 0, calls: 0, finalCalls: 0, ...fields }
}

/** A problem, with the details of an answer that says little. */
export function aProblem(code: Problem['code'], detail: Partial<Problem['detail']> = {}): Problem {
  const { scope } = PROBLEM_RULES[code]
  return { code, detail: { said: code, message: `it is ${code}`, scope, requestId: null, agentId: null, ip: null, ...detail } }
}

/** The same of a task: from its first poll, unless said otherwise. */
export function aTaskProblem(
  code: Problem['code'],
  { since = minutesLater(1), polls = 1, ...detail }: Partial<Problem['detail'] & Pick<TaskProblem, 'since' | 'polls'>> = {},
): TaskProblem {
  return { ...aProblem(code, detail), since, polls }
}

/** The next poll is due then, for this reason. */
export async function delay(store: DeliveryStore, key: LoadedTask['key'], nextPollAt: Date, reason: DelayReason): Promise<void> {
  const { pollNo, problem, failuresInRow, calls, finalCalls } = await loaded(store, key)
  const stored = await store.delay(key, { pollNo }, { nextPollAt, reason, problem, failuresInRow, calls, finalCalls })
  if (stored !== 'stored') throw new Error(`the delay was ${stored}`)
}
