import { readAnswer } from '../../src/core/answer.ts'
import type { Answer, TaskKey } from '../../src/core/delivery.ts'
import type { TaskUpdate } from '../../src/core/plan.ts'
import { type LookPlan, planStart } from '../../src/core/plan.ts'
import type {
  AppGate,
  AppLimits,
  DeliveryStore,
  Journal,
  Lease,
  LoadedTask,
  LookTimers,
  Reservation,
  Restored,
  Timer,
} from '../../src/core/ports.ts'
import { timingOf } from '../../src/core/schedule.ts'
import type { LookDeps } from '../../src/service/look.ts'
import type { Permit } from '../../src/service/permits.ts'

export const SENT = new Date('2026-11-23T01:00:00.000Z')
export const TIMING = timingOf(24)
export const minutesLater = (minutes: number): Date => new Date(SENT.getTime() + minutes * 60_000)
export const keyOf = (taskId: number | string): TaskKey => ({ app: 'default', taskId: String(taskId) })

/** A task of one named person, planned at the moment of the send. */
export function aTask(columns: Partial<LoadedTask> = {}): LoadedTask {
  const key = columns.key ?? keyOf('256271667526')
  const sentAt = columns.sentAt ?? SENT
  const { deadlineAt, first } = planStart({ key, sentAt }, sentAt, TIMING)
  return {
    key,
    agentId: null,
    campaign: null,
    status: 'tracking',
    reason: null,
    sentAt,
    deadlineAt,
    recipientsKnown: true,
    pollNo: 0,
    nextPollAt: first.at,
    lastGoodRequestedAt: null,
    lastObservedAt: null,
    goodPolls: 0,
    failuresInRow: 0,
    timeoutsInRow: 0,
    listedFingerprint: null,
    listedSince: null,
    erasureNo: 0,
    recipients: [{ userId: 'ann', state: { kind: 'pending' }, firstSeenAt: null }],
    hindrance: null,
    erasures: [],
    ...columns,
  }
}

/** A lease that no other worker wants. */
export const exclusively = <T>(work: (lease: Lease) => Promise<T>): Promise<T | null> => work({ isHeld: () => true })

/** Rows in a map, with the compare-and-set that the port promises. */
export interface Rows extends Pick<DeliveryStore, 'load' | 'apply' | 'end' | 'putOff' | 'rename'> {
  put(task: LoadedTask): void
  row(key?: TaskKey): LoadedTask | undefined
  readonly plans: readonly LookPlan[]
}

const idOf = ({ app, taskId }: TaskKey): string => `${app}/${taskId}`

export function someRows(...tasks: readonly LoadedTask[]): Rows {
  const rows = new Map(tasks.map((task) => [idOf(task.key), task]))
  const plans: LookPlan[] = []
  function change(key: TaskKey, pollNo: number, update: (task: LoadedTask) => LoadedTask): 'stored' | 'stale' {
    const task = rows.get(idOf(key))
    if (task === undefined || task.status !== 'tracking' || task.pollNo !== pollNo) return 'stale'
    rows.set(idOf(key), update(task))
    return 'stored'
  }
  const withUpdate = (task: LoadedTask, { counts: _, ...columns }: TaskUpdate): LoadedTask => ({ ...task, ...columns })
  return {
    plans,
    put: (task) => void rows.set(idOf(task.key), task),
    row: (key = tasks[0]?.key ?? keyOf(0)) => rows.get(idOf(key)),
    async load(key) {
      return rows.get(idOf(key)) ?? null
    },
    async apply(plan) {
      const stored = change(plan.key, plan.believes.pollNo, (task) => ({ ...withUpdate(task, plan.task), pollNo: plan.poll.pollNo }))
      if (stored === 'stored') plans.push(plan)
      return stored
    },
    async end(key, believes, update) {
      return change(key, believes.pollNo, (task) => withUpdate(task, update))
    },
    rename: async () => undefined,
    async putOff(key, believes, nextPollAt, hindrance) {
      return change(key, believes.pollNo, (task) => ({ ...task, nextPollAt, hindrance }))
    },
  }
}

/** What was journaled, one text a line. */
export interface Notes extends Journal {
  readonly lines: readonly string[]
}

export function notes(): Notes {
  const lines: string[] = []
  return {
    lines,
    tracked: ({ key, isNew }) => void lines.push(`tracked ${key.taskId} ${isNew}`),
    adopted: ({ tasks }) => void lines.push(`adopted ${tasks}`),
    looked: ({ plan, stored }) => void lines.push(`looked ${plan.poll.outcome} ${stored}`),
    ended: ({ status, reason }) => void lines.push(`ended ${status} ${reason?.split(':')[0]}`),
    putOff: ({ reason }) => void lines.push(`put off: ${reason}`),
    reconciled: ({ actions }) => void lines.push(`reconciled ${JSON.stringify(actions)}`),
    retained: ({ namesRemoved, tasksRemoved }) => void lines.push(`retained ${namesRemoved} ${tasksRemoved}`),
    early: ({ earlyMs }) => void lines.push(`early by ${earlyMs} ms`),
    lock: ({ kind }) => void lines.push(`lock ${kind}`),
    failed: ({ what }) => void lines.push(`failed: ${what}`),
  }
}

/** The verbs of the gate that were used, as texts. */
export interface GateCalls extends Omit<AppGate, 'reserve'> {
  readonly calls: readonly string[]
}

function aGateOfCalls(): GateCalls {
  const calls: string[] = []
  return {
    calls,
    healthy: async (app) => void calls.push(`healthy ${app}`),
    throttle: async (app, until) => void calls.push(`throttle ${app} until ${until.toISOString()}`),
    pause: async (app, reason, _now, delay) => void calls.push(`pause ${app} ${delay(0)} ${delay(99)}: ${reason}`),
    quota: async (app, until) => void calls.push(`quota ${app} until ${until.toISOString()}`),
    refund: async (app) => void calls.push(`refund ${app}`),
  }
}

/** Everything a look needs, with the answer that DingTalk gives and the permit that the app's line gives. */
export interface Scene {
  readonly deps: LookDeps
  readonly rows: Rows
  readonly gate: GateCalls
  readonly notes: Notes
  /** How many calls were made. */
  calls(): number
  now: Date
}

export function aScene(task: LoadedTask, given: { readonly now: Date; readonly answer?: Answer; readonly permit?: Permit }): Scene {
  const rows = someRows(task)
  const gate = aGateOfCalls()
  const journal = notes()
  let calls = 0
  const scene: Scene = {
    rows,
    gate,
    notes: journal,
    now: given.now,
    calls: () => calls,
    deps: {
      store: rows,
      digest: (salt, name) => `${salt}/${name}`,
      gate,
      timing: TIMING,
      journal,
      now: () => scene.now,
      permits: { take: async () => given.permit ?? { kind: 'granted' } },
      api: {
        async sendResult() {
          calls++
          return given.answer ?? said({ unread: ['ann'] }, scene.now)
        },
      },
    },
  }
  return scene
}

/** A good answer that came a second after it was asked for. */
export function said(lists: { readonly read?: readonly string[]; readonly unread?: readonly string[] }, requestedAt: Date): Answer {
  const body = {
    errcode: 0,
    send_result: { read_user_id_list: lists.read ?? [], unread_user_id_list: lists.unread ?? [] },
    request_id: 'r',
  }
  return readAnswer(body, { requestedAt, respondedAt: new Date(requestedAt.getTime() + 1_000) })
}

export function refused(code: string, requestedAt: Date, message = 'no'): Answer {
  return { kind: 'refused', code, message, requestId: null, requestedAt, respondedAt: requestedAt }
}

/** A gate that answers as it is told to, one reservation after the other; the last one for ever. */
export function aGate(...answers: ReadonlyArray<Reservation | Error | ((wanted: { last: number; ordinary: number }) => Reservation)>) {
  const asked: Array<{ app: string; last: number; ordinary: number }> = []
  return {
    asked,
    async reserve(app: string, wanted: { readonly ordinary: number; readonly last: number }, _limits: AppLimits): Promise<Reservation> {
      const answer = answers[Math.min(asked.length, answers.length - 1)]
      asked.push({ app, last: wanted.last, ordinary: wanted.ordinary })
      if (answer instanceof Error) throw answer
      if (answer === undefined) throw new Error('the gate was asked, but was told no answer')
      return typeof answer === 'function' ? answer({ ...wanted }) : answer
    },
  }
}

/** Grants whatever is wanted, at 10 calls a second. */
export const grantAll = ({ last, ordinary }: { last: number; ordinary: number }): Reservation => ({
  kind: 'granted',
  last,
  ordinary,
  firstInMs: 0,
  everyMs: 100,
})

export const NOTHING_RESTORED: Restored = { added: 0, replaced: 0, moved: 0, left: 0 }

/** Nothing is old, or as much as is said: tasks whose names may go, and tasks that may go. */
export function someOldDetails({ names = 0, tasks = 0 } = {}) {
  const left = { names, tasks }
  const asked: Array<{ what: string; before: Date; limit: number }> = []
  const take = (what: 'names' | 'tasks') => async (before: Date, limit: number) => {
    asked.push({ what, before, limit })
    const taken = Math.min(limit, left[what])
    left[what] -= taken
    return taken
  }
  const store = {
    removeNames: take('names'),
    removeTasks: take('tasks'),
    forgetErasures: async (before: Date) => void asked.push({ what: 'erasures', before, limit: 0 }),
  }
  return { asked, left, store, retention: { detailsMs: 90 * 86_400_000, totalsMs: null } }
}

/** Timers that only note what they were asked for. */
export function someTimers(): LookTimers & { readonly timers: Timer[]; readonly batches: number[] } {
  const timers: Timer[] = []
  const batches: number[] = []
  return {
    timers,
    batches,
    async set(given) {
      batches.push(given.length)
      timers.push(...given)
    },
    async restore(given) {
      batches.push(given.length)
      timers.push(...given)
      return { ...NOTHING_RESTORED, added: given.length }
    },
  }
}

export function overdueTask(task: LoadedTask): Timer {
  return { key: task.key, deadlineAt: task.deadlineAt, look: { at: task.nextPollAt ?? task.deadlineAt, last: false } }
}
