import { parseAnswer } from '../../src/domain/answer.ts'
import type { Answer, Refusal, TaskKey, TaskScopes } from '../../src/domain/delivery.ts'
import { planStart, type TaskUpdate, type WritePlan } from '../../src/domain/plan.ts'
import type { ScopeFailure } from '../../src/domain/plan-failed.ts'
import { type Problem, toProblem } from '../../src/domain/problems.ts'
import type { EndReason } from '../../src/domain/reasons.ts'
import type { Permit, PermitRequest } from '../../src/polling/permits.ts'
import type { PollDeps } from '../../src/polling/poll-delays.ts'
import type {
  AppLimits,
  DeliveryStore,
  EventLog,
  Lease,
  LoadedTask,
  PollTimers,
  RateLimiter,
  Reservation,
  Restored,
  ScopeEvidence,
  Timer,
  WantedCalls,
} from '../../src/polling/ports.ts'
import { createWorkerScope, type WorkerScope } from '../../src/polling/worker-scope.ts'
import { createWriteBreaker, type WriteBreaker } from '../../src/polling/write-breaker.ts'
import { aTask as aPlainTask, exchangeAt, minutesLater, pending, SENT, TIMING, wire, withoutRecipients } from '../domain/support.ts'

export { minutesLater, SENT, TIMING }
export const keyOf = (taskId: number | string): TaskKey => ({ app: 'default', taskId: String(taskId) })

/** A task and why it ended, as a store keeps both. */
export interface StoredTask extends LoadedTask {
  readonly reason: EndReason | null
}

export const AGENT_ID = '836390886'

/** Polls have succeeded in both scopes just now, so that a further success is no news. */
export function someScopes(
  at: Date,
  { app = {}, pair = {} }: { app?: Partial<TaskScopes['app']>; pair?: Partial<TaskScopes['pair']> } = {},
): TaskScopes {
  const calm = { pause: null, hasWitness: false, lastGoodAt: at }
  return { agentId: AGENT_ID, app: { ...calm, resumedAt: null, ...app }, pair: { ...calm, ...pair } }
}

export const aProblem = (code: string, message = 'no'): Problem => toProblem({ code, message, requestId: null }, AGENT_ID)

/** A task of one named person, planned at the moment of the send. */
export function aTask(columns: Partial<StoredTask> = {}): StoredTask {
  const key = columns.key ?? keyOf('256271667526')
  const sentAt = columns.sentAt ?? SENT
  const { deadlineAt, first } = planStart({ key, sentAt, sentAtGiven: true }, sentAt, TIMING)
  const planned = { key, sentAt, deadlineAt, nextPollAt: first.at, scopes: someScopes(first.at) }
  return { ...aPlainTask({ ann: pending }), ...planned, erasures: [], ...columns }
}

/** A lease that no other worker wants. */
export const exclusively = <T>(work: (lease: Lease) => Promise<T>): Promise<T | null> => work({ isHeld: () => true })

/** Rows in a map, with the compare-and-set that the port promises. */
export interface Rows extends Pick<DeliveryStore, 'load' | 'loadForPoll' | 'apply' | 'end' | 'delay' | 'rename'> {
  put(task: StoredTask): void
  row(key?: TaskKey): StoredTask | undefined
  readonly plans: readonly WritePlan[]
}

const idOf = ({ app, taskId }: TaskKey): string => `${app}/${taskId}`

export function someRows(...tasks: readonly StoredTask[]): Rows {
  const rows = new Map(tasks.map((task) => [idOf(task.key), task]))
  const plans: WritePlan[] = []
  function change(key: TaskKey, pollNo: number, update: (task: StoredTask) => StoredTask): 'stored' | 'stale' {
    const task = rows.get(idOf(key))
    if (task === undefined || task.status !== 'tracking' || task.pollNo !== pollNo) return 'stale'
    rows.set(idOf(key), update(task))
    return 'stored'
  }
  const withUpdate = (task: StoredTask, { counts: _, ...columns }: TaskUpdate): StoredTask => ({ ...task, ...columns })
  return {
    plans,
    put: (task) => void rows.set(idOf(task.key), task),
    row: (key = tasks[0]?.key ?? keyOf(0)) => rows.get(idOf(key)),
    async load(key) {
      return rows.get(idOf(key)) ?? null
    },
    async loadForPoll(key) {
      const task = rows.get(idOf(key)) ?? null
      return task === null || task.answerDigest === null ? task : withoutRecipients(task)
    },
    async apply(plan) {
      const stored = change(plan.key, plan.expected.pollNo, (task) => ({ ...withUpdate(task, plan.task), pollNo: plan.poll.pollNo }))
      if (stored === 'stored') plans.push(plan)
      return stored
    },
    async end(key, expected, update) {
      return change(key, expected.pollNo, (task) => withUpdate(task, update))
    },
    rename: async () => undefined,
    async delay(key, expected, { reason: delay, ...columns }) {
      return change(key, expected.pollNo, (task) => ({ ...task, ...columns, delay }))
    },
  }
}

/** What was logged, one text a line. */
export interface Notes extends EventLog {
  readonly lines: readonly string[]
}

export function notes(): Notes {
  const lines: string[] = []
  return {
    lines,
    tracked: ({ key, isNew }) => void lines.push(`tracked ${key.taskId} ${isNew}`),
    scheduled: ({ tasks }) => void lines.push(`scheduled ${tasks}`),
    polled: ({ plan, stored }) => void lines.push(`polled ${plan.poll.outcome} ${stored}`),
    ended: ({ status, reason }) => void lines.push(`ended ${status} ${reason?.code}`),
    delayed: ({ reason, problem }) =>
      void lines.push(`delayed: ${[reason?.code, problem?.code].filter((code) => code !== undefined).join(', ')}`),
    paused: ({ app, problem }) => void lines.push(`paused ${app}: ${problem.code}`),
    recovered: ({ app }) => void lines.push(`recovered ${app}`),
    reconciled: ({ actions }) => void lines.push(`reconciled ${JSON.stringify(actions)}`),
    retained: ({ namesRemoved, peopleRemoved, periodsRemoved, tasksRemoved }) =>
      void lines.push(`retained ${namesRemoved} ${peopleRemoved} ${periodsRemoved} ${tasksRemoved}`),
    learned: ({ app, tasks, people }) => void lines.push(`learned ${app} ${tasks} ${people}`),
    early: ({ earlyMs }) => void lines.push(`early by ${earlyMs} ms`),
    lock: ({ kind }) => void lines.push(`lock ${kind}`),
    failed: ({ what }) => void lines.push(`failed: ${what}`),
  }
}

/** What was recorded about scopes, and the returned calls, as texts. */
export interface ScopeCalls extends Pick<RateLimiter, 'refund'>, ScopeEvidence {
  readonly calls: readonly string[]
  readonly reports: readonly ScopeFailure[]
}

/** @param answers whether a report paused its scope, a success lifted a pause, a probe could be claimed */
export function someScopeCalls(
  answers: { readonly paused?: boolean; readonly lifted?: boolean; readonly claimed?: boolean } = {},
): ScopeCalls {
  const calls: string[] = []
  const reports: ScopeFailure[] = []
  return {
    calls,
    reports,
    async refund(app, month, count) {
      calls.push(`refund ${app} ${month} ${count}`)
    },
    async recordFailure(key, agentId, report) {
      reports.push(report)
      calls.push(`failure ${report.kind} ${key.app}/${agentId}: ${report.problem.code}`)
      return answers.paused ?? false
    },
    async recordSuccess(key, agentId) {
      calls.push(`success ${key.app}/${agentId}`)
      return answers.lifted ?? false
    },
    async claimProbe(app, agentId) {
      calls.push(`claim ${app}/${agentId}`)
      return answers.claimed ?? true
    },
  }
}

/** What this worker wrote into the registry, as texts. */
export function aRegistry({ served = false } = {}) {
  const calls: string[] = []
  return {
    calls,
    served,
    async heartbeat({ problems }: { readonly problems: object }, forMs: number) {
      calls.push(`heartbeat ${Object.keys(problems).join()} for ${forMs}`)
    },
    async isServedByOthers(_workerId: string, app: string) {
      calls.push(`served ${app}?`)
      return this.served
    },
    async resumeWaiting(app: string) {
      calls.push(`resume ${app}`)
    },
    async probeRepaired() {
      calls.push('probe repaired')
    },
    async remove(workerId: string) {
      calls.push(`remove ${workerId}`)
    },
  }
}

/** Everything that a poll needs, with the answer of DingTalk and the permit. */
export interface Scene {
  readonly deps: PollDeps
  readonly rows: Rows
  readonly scopes: ScopeCalls
  readonly registry: ReturnType<typeof aRegistry>
  readonly worker: WorkerScope
  readonly writes: WriteBreaker
  readonly notes: Notes
  /** The permits that were asked for. */
  readonly requests: readonly PermitRequest[]
  /** How many polls asked DingTalk. */
  calls(): number
  now: Date
}

export interface Given {
  readonly now: Date
  readonly answer?: Answer
  /** Calls of getsendresult that one poll takes. Default: 1. */
  readonly calls?: number
  readonly permit?: Permit
  readonly served?: boolean
  readonly scopes?: Parameters<typeof someScopeCalls>[0]
}

export const GRANTED: Permit = { kind: 'granted', month: '2026-11' }

export function aScene(task: StoredTask, given: Given): Scene {
  const rows = someRows(task)
  const scopes = someScopeCalls(given.scopes)
  const events = notes()
  const registry = aRegistry({ served: given.served ?? false })
  const requests: PermitRequest[] = []
  let calls = 0
  const clock = { now: given.now }
  const now = (): Date => clock.now
  const worker = createWorkerScope({
    ...{ workerId: 'w1', apps: ['default'], registry, timing: TIMING, now, events },
    ...{ heartbeatMs: 10_000, probeLeaseMs: 60_000 },
  })
  const writes = createWriteBreaker({ now, pauseMs: 1, maxPauseMs: 5, onFailed: () => undefined })
  const scene: Scene = {
    ...{ rows, scopes, registry, worker, writes, requests },
    notes: events,
    get now() {
      return clock.now
    },
    set now(at) {
      clock.now = at
    },
    calls: () => calls,
    deps: {
      ...{ store: rows, limiter: scopes, scopes, worker, writes, timing: TIMING, events, now },
      digest: (salt, name) => `${salt}/${name}`,
      permits: {
        async take(request) {
          requests.push(request)
          return given.permit ?? GRANTED
        },
      },
      api: {
        async sendResult() {
          calls++
          return { answer: given.answer ?? said({ unread: ['ann'] }, now()), calls: given.calls ?? 1 }
        },
      },
    },
  }
  return scene
}

/** A good answer that came a second after it was asked for. */
export function said(lists: { readonly read?: readonly string[]; readonly unread?: readonly string[] }, requestedAt: Date): Answer {
  return parseAnswer(wire(lists), exchangeAt(requestedAt))
}

export function refused(code: string, requestedAt: Date, message = 'no'): Refusal {
  return { kind: 'refused', code, message, requestId: null, requestedAt, respondedAt: requestedAt }
}

/** A limiter with given answers, one for each reservation; the last one repeats. */
export function aLimiter(...answers: ReadonlyArray<Reservation | Error | ((wanted: WantedCalls) => Reservation)>) {
  const asked: Array<WantedCalls & { readonly app: string }> = []
  const refunds: string[] = []
  return {
    asked,
    refunds,
    async reserve(app: string, wanted: WantedCalls, _limits: AppLimits): Promise<Reservation> {
      const answer = answers[Math.min(asked.length, answers.length - 1)]
      asked.push({ app, ...wanted })
      if (answer instanceof Error) throw answer
      if (answer === undefined) throw new Error('the limiter has no answer')
      return typeof answer === 'function' ? answer({ ...wanted }) : answer
    },
    async refund(app: string, month: string, calls: number) {
      refunds.push(`${app} ${month} ${calls}`)
    },
  }
}

/** The call i may start at `firstInMs + i * 100` from now. */
export const granted = (calls: {
  readonly reserved?: number
  readonly ordinary?: number
  readonly firstInMs?: number
  readonly month?: string
}): Reservation => ({
  ...{ kind: 'granted', reserved: 0, ordinary: 0, firstInMs: 0, everyMs: 100, month: '2026-11' },
  ...calls,
})

/** Grants whatever is wanted, at 10 calls a second. */
export const grantAll = ({ reserved, ordinary }: WantedCalls): Reservation => granted({ reserved, ordinary })

export const NOTHING_RESTORED: Restored = { added: 0, replaced: 0, moved: 0, left: 0 }

/** Nothing is old, or as much as is said: tasks whose names may go, periods whose polls may go, and tasks that may go. */
export function someOldDetails({ names = 0, people = 0, periods = 0, tasks = 0, isBusy = false } = {}) {
  const left = { names, people, periods, tasks }
  let rooms = 0
  const asked: Array<{ what: string; before: Date; limit: number }> = []
  const take = (what: 'names' | 'people' | 'tasks') => async (before: Date, limit: number) => {
    asked.push({ what, before, limit })
    const taken = Math.min(limit, left[what])
    left[what] -= taken
    return taken
  }
  const store = {
    async makeRoom() {
      rooms++
    },
    async removePolls(before: Date) {
      asked.push({ what: 'periods', before, limit: 1 })
      if (isBusy) return 'busy' as const
      if (left.periods === 0) return 'none' as const
      left.periods--
      return 'removed' as const
    },
    removeNames: take('names'),
    forgetPeople: take('people'),
    removeTasks: take('tasks'),
    forgetErasures: async (before: Date) => void asked.push({ what: 'erasures', before, limit: 0 }),
  }
  return { asked, left, rooms: () => rooms, store, retention: { detailsMs: 90 * 86_400_000, totalsMs: null } }
}

/** Timers that only note what they were asked for. `moved`: those that were put right rather than set. */
export function someTimers(): PollTimers & { readonly timers: Timer[]; readonly batches: number[]; readonly moved: Timer[] } {
  const timers: Timer[] = []
  const batches: number[] = []
  const moved: Timer[] = []
  const note = (given: readonly Timer[]): void => {
    if (given.length > 0) batches.push(given.length)
    timers.push(...given)
  }
  return {
    timers,
    batches,
    moved,
    async set(given) {
      note(given)
    },
    async restore(given) {
      note(given)
      moved.push(...given)
      return { ...NOTHING_RESTORED, added: given.length }
    },
  }
}

export function overdueTask(task: LoadedTask): Timer {
  return { key: task.key, deadlineAt: task.deadlineAt, poll: { at: task.nextPollAt ?? task.deadlineAt, last: false } }
}
