import { parseAnswer } from '../../../src/domain/answer.ts'
import { type Answer, MINUTE_MS, SECOND_MS, type TaskKey } from '../../../src/domain/delivery.ts'
import { type Next, planStart } from '../../../src/domain/plan.ts'
import { buildTiming } from '../../../src/domain/poll-times.ts'
import { createPermits } from '../../../src/polling/permits.ts'
import { poll } from '../../../src/polling/poll.ts'
import type { PollDeps } from '../../../src/polling/poll-delays.ts'
import { createWorkerScope } from '../../../src/polling/worker-scope.ts'
import { createWriteBreaker } from '../../../src/polling/write-breaker.ts'
import { beginErasure, computeDigest, erasePerson } from '../../../src/store/erase-people.ts'
import { createRateLimiter } from '../../../src/store/rate-limiter.ts'
import { createWorkerRegistry } from '../../../src/store/worker-registry.ts'
import { randomFrom } from '../../support/random.ts'
import type { TestStore } from './database.ts'

/**
 * One seeded day, tracked through `poll()` with the real store, limiter and registry; only DingTalk's answers are scripted. It has answers of all
 * kinds, late and doubled ones, failed polls, contradictions, erasures during a call, corrections and tasks that are enqueued twice.
 */

/** When the day began: the first message was sent. The whole day is in the past. */
export const DAY_BEGAN = new Date(Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS - 26 * 60 * MINUTE_MS)
const TIMING = buildTiming(24)
/** When polls are made, in minutes of the day. The last ones are the final polls, and what is done after the deadline. */
const ROUNDS = [4, 10, 18, 30, 45, 47, 70, 100, 150, 210, 330, 333, 480, 700, 1_000, 1_438, 1_480]

type Fate = 'read' | 'unread' | 'failed' | 'invalid' | 'forbidden' | 'absent' | 'contradicted' | 'vanishes'

interface Told {
  readonly userId: string
  readonly fate: Fate
  /** Minutes of the day: listed at all from the first, in its last state from the second on. */
  readonly listedAt: number
  readonly changesAt: number
  readonly code: string | undefined
}

interface DayTask {
  readonly key: TaskKey
  readonly campaign: string | null
  readonly sentAt: Date
  readonly userIds: readonly string[] | null
  readonly told: readonly Told[]
  /** What is unusual, by round. */
  readonly events: ReadonlyMap<number, Event>
}

type Event = 'late' | 'twice' | 'empty' | 'no lists' | 'gateway' | 'timeout' | 'unknown code' | 'contradiction'
const EVENTS: readonly Event[] = [
  'late',
  'late',
  'twice',
  'twice',
  'empty',
  'no lists',
  'gateway',
  'timeout',
  'unknown code',
  'contradiction',
]
/** A failed poll is evidence about its app, so these are polled one after another, after the others of the round. */
const ALONE: ReadonlySet<Event> = new Set(['no lists', 'gateway', 'timeout', 'unknown code'])
const FATES: readonly Fate[] = [
  ...([
    'read',
    'read',
    'read',
    'read',
    'unread',
    'unread',
    'failed',
    'invalid',
    'forbidden',
    'absent',
    'contradicted',
    'vanishes',
  ] as const),
]

/** The person whom senders name, and the one that only answers name, who are erased during a call of these tasks. */
const ERASED = new Map([
  ['256271667004', { round: 5, userId: 'p03' }],
  ['256271667005', { round: 8, userId: 'guest' }],
])

function atMinute(minute: number): Date {
  return new Date(DAY_BEGAN.getTime() + minute * MINUTE_MS)
}

export function makeDay(seed: number): DayTask[] {
  const random = randomFrom(seed)
  const upTo = (n: number): number => Math.floor(random() * n)
  const one = <T>(of: readonly [T, ...T[]] | readonly T[]): T => of[upTo(of.length)] as T
  return Array.from({ length: 40 }, (_, i) => {
    const taskId = String(256_271_667_000 + i)
    const isKnown = i % 3 !== 2
    const people = [...new Set(Array.from({ length: 2 + upTo(14) }, () => `p${String(upTo(40)).padStart(2, '0')}`))]
    if (ERASED.has(taskId) || i % 4 === 0) people.push('p03')
    const told = [...new Set([...people, ...(i % 5 === 0 ? ['guest', `extra${i}`] : [])])].map((userId): Told => {
      const listedAt = upTo(3) === 0 ? upTo(60) : 0
      return {
        userId,
        fate: i % 8 === 1 ? 'read' : one(FATES),
        listedAt,
        changesAt: listedAt + upTo(600),
        code: one(['143105', '143106', undefined]),
      }
    })
    const events = new Map(Array.from({ length: upTo(4) }, () => [1 + upTo(ROUNDS.length - 3), one(EVENTS)] as const))
    const campaign = i % 2 === 0 ? 'spring' : i % 7 === 1 ? 'summer' : null
    const key = { app: i % 4 === 3 ? 'south' : 'north', taskId }
    return { key, campaign, sentAt: atMinute(i % 6), userIds: isKnown ? [...new Set(people)] : null, told, events }
  })
}

/** DingTalk's answer about a task at a minute of the day. */
function answerAt(task: DayTask, minute: number, event: Event | undefined): Answer {
  const requestedAt = new Date(atMinute(minute).getTime() + (Number(task.key.taskId) % 900))
  const exchange = { requestedAt, respondedAt: new Date(requestedAt.getTime() + SECOND_MS) }
  const refused = (code: string, message: string) => ({ kind: 'refused' as const, code, message, requestId: null, ...exchange })
  switch (event) {
    case 'gateway':
      return refused('HTTP_502', 'Bad Gateway')
    case 'timeout':
      return { ...refused('TIMEOUT', 'no answer'), respondedAt: null }
    case 'unknown code':
      return refused('987654', 'a new error')
    case 'no lists':
      return parseAnswer({ errcode: 0, send_result: {} }, exchange)
    case 'empty':
      return parseAnswer({ errcode: 0, send_result: { read_user_id_list: [] } }, exchange)
    default:
      return parseAnswer({ errcode: 0, request_id: `r${minute}`, send_result: listsAt(task, minute, event === 'contradiction') }, exchange)
  }
}

function listsAt({ told }: DayTask, minute: number, isContradicted: boolean): Record<string, unknown> {
  const lists: Record<string, unknown[]> = {}
  const put = (list: string, item: unknown): void => void (lists[list] ??= []).push(item)
  for (const { userId, fate, listedAt, changesAt, code } of told) {
    const isOver = minute >= changesAt
    if (fate === 'absent' || minute < listedAt || (fate === 'vanishes' && isOver)) continue
    if (fate === 'failed' || fate === 'invalid') put(`${fate}_user_id_list`, userId)
    else if (fate === 'forbidden') put('forbidden_list', { userid: userId, code, count: isOver ? 500 : 1 })
    else if (fate === 'contradicted' && isOver) put(isContradicted ? 'failed_user_id_list' : 'unread_user_id_list', userId)
    else put(isOver !== isContradicted && fate === 'read' ? 'read_user_id_list' : 'unread_user_id_list', userId)
  }
  // The order of a list says nothing.
  return Object.fromEntries(Object.entries(lists).map(([name, items]) => [name, minute % 2 === 0 ? items : items.toReversed()]))
}

export interface TrackedDay {
  /** The pseudonyms of the erased people, by their user ids. */
  readonly pseudonyms: ReadonlyMap<string, string>
}

const minuteOf = (round: number): number => ROUNDS[round] ?? 0

/** What DingTalk says in each round, and what happens during its calls. */
function createScript(db: TestStore, tasks: readonly DayTask[]) {
  const byId = new Map(tasks.map((task) => [task.key.taskId, task]))
  const pseudonyms = new Map<string, string>()
  const meetings = new Map<string, () => void>()

  /** Both polls of a task have loaded the same row before either is answered. */
  function meet(taskId: string): Promise<void> {
    const other = meetings.get(taskId)
    if (other === undefined) return new Promise((resolve) => meetings.set(taskId, resolve))
    meetings.delete(taskId)
    other()
    return Promise.resolve()
  }

  return {
    pseudonyms,
    round: 0,
    /** The person who is erased during a call of this task; null: it has none. */
    erases({ key: { taskId } }: DayTask): string | null {
      const erased = ERASED.get(taskId)
      return erased === undefined || this.round < erased.round || pseudonyms.has(erased.userId) ? null : erased.userId
    },
    async answer({ taskId }: TaskKey): Promise<{ answer: Answer; calls: number }> {
      const task = byId.get(taskId)
      if (task === undefined) throw new Error(`no task ${taskId} was sent`)
      const event = task.events.get(this.round)
      if (event === 'twice') await meet(taskId)
      const userId = this.erases(task)
      if (userId !== null) pseudonyms.set(userId, await beginErasure(db, { userId, app: null }))
      // A late answer is one of a call that was made before the last stored one.
      const minute = event === 'late' ? minuteOf(this.round - 2) + 0.5 : minuteOf(this.round)
      return { answer: answerAt(task, minute, event), calls: 1 }
    },
  }
}

/** @param onRound after each round of polls, with its number and the pseudonyms of those who are erased */
export async function trackDay(
  db: TestStore,
  tasks: readonly DayTask[],
  onRound: (round: number, pseudonyms: ReadonlyMap<string, string>) => Promise<void>,
): Promise<TrackedDay> {
  const script = createScript(db, tasks)
  const { pseudonyms } = script
  const due = new Map<string, Date>()
  const now = (): Date => new Date(atMinute(minuteOf(script.round)).getTime() + 2 * SECOND_MS)
  const deps = createDeps(db, now, (query) => script.answer(query))
  const pollOnce = async ({ key }: DayTask): Promise<void> => {
    const next: Next = await poll(deps, key, new AbortController().signal)
    if (next.kind === 'done') due.delete(key.taskId)
    else due.set(key.taskId, next.until.at)
  }
  const enqueue = async (some: readonly DayTask[]): Promise<void> => {
    await db.store.track(some.map(({ key, campaign, sentAt, userIds }) => ({ ...key, campaign, sentAt, userIds, agentId: '836390886' })))
    const scheduled = await db.store.schedule((task) => planStart(task, now(), TIMING), 1_000)
    for (const { key, poll: first } of scheduled) due.set(key.taskId, first.at)
  }

  const [early, late] = [tasks.slice(0, 34), tasks.slice(34)]
  await enqueue(early)
  for (const [round, minute] of ROUNDS.entries()) {
    script.round = round
    if (round === 1) await enqueue(early.slice(0, 6))
    if (round === 2) await enqueue(corrected(early))
    // People who were erased meanwhile are named again.
    if (round === 9) await enqueue(late)
    if (round === 7) for (const { key } of tasks.slice(20, 21)) await db.store.cancel(key)
    const ready = tasks.filter(({ key }) => (due.get(key.taskId) ?? atMinute(100_000)) <= now())
    const isAlone = (task: DayTask): boolean => script.erases(task) !== null || ALONE.has(task.events.get(round) ?? 'late')
    const together = ready.filter((task) => !isAlone(task))
    const twice = together.filter((task) => task.events.get(round) === 'twice' && minute < 1_438)
    await Promise.all([...together, ...twice].map(pollOnce))
    for (const task of ready.filter(isAlone)) await pollOnce(task)
    await onRound(round, pseudonyms)
    // Some polls later, so that in between the answers are renamed and the rows are not.
    for (const [userId, pseudonym] of round === 10 ? pseudonyms : []) await erasePerson(db, { userId, app: null }, pseudonym)
  }
  return { pseudonyms }
}

/** What the senders of tasks correct: it holds for those without a successful poll, and is a conflict for the others. */
function corrected(tasks: readonly DayTask[]): DayTask[] {
  return tasks.slice(8, 14).map((task) => ({ ...task, userIds: ['p01', 'p02', 'p39'] }))
}

function createDeps(db: TestStore, now: () => Date, sendResult: PollDeps['api']['sendResult']): PollDeps {
  const limiter = createRateLimiter(db)
  const ignore = (): void => undefined
  const events: PollDeps['events'] = {
    ...{ tracked: ignore, scheduled: ignore, polled: ignore, ended: ignore, delayed: ignore, paused: ignore, recovered: ignore },
    ...{ reconciled: ignore, retained: ignore, learned: ignore, early: ignore, lock: ignore },
    failed: ({ error }) => {
      throw error
    },
  }
  const registry = createWorkerRegistry(db)
  const scope = {
    workerId: 'w1',
    apps: ['north', 'south'],
    registry,
    timing: TIMING,
    now,
    events,
    heartbeatMs: 10_000,
    probeLeaseMs: 60_000,
  }
  return {
    ...{ store: db.store, digest: computeDigest, api: { sendResult }, limiter, scopes: limiter, timing: TIMING, now, events },
    permits: createPermits({
      limiter,
      limitsOf: () => ({ callsPerSecond: 5_000, monthlyBudget: null }),
      now,
      maxWaiting: 1_000,
      onRefundFailed: ignore,
    }),
    worker: createWorkerScope(scope),
    writes: createWriteBreaker({ now, onFailed: ignore }),
  }
}
