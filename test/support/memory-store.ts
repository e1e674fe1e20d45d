import type { Recipient, TaskKey } from '../../src/core/delivery.ts'
import { QUERY_WINDOW_MS } from '../../src/core/delivery.ts'
import { isLastLook, type LookPlan, type Poll, type TaskUpdate, type Transition } from '../../src/core/plan.ts'
import type { AppGate, AppLimits, Clock, DeliveryStore, LoadedTask, Reservation } from '../../src/core/ports.ts'
import { timingOf } from '../../src/core/schedule.ts'
import { COMPARED_FIELDS, type TrackOutcome } from '../../src/core/track-outcome.ts'
import type { TrackRequest } from '../../src/core/track-request.ts'

export interface MemoryStore extends DeliveryStore {
  cancel(key: TaskKey): Promise<boolean>
  /** What was recorded, oldest first. */
  looksOf(key: TaskKey): readonly Poll[]
  transitionsOf(key: TaskKey): readonly Transition[]
  keys(): TaskKey[]
}

interface Stored {
  task: LoadedTask
  adopted: boolean
  readonly polls: Poll[]
  readonly transitions: Transition[]
}

/** A store for tests of use cases. The same contract suite runs on it and on PostgreSQL. */
export function createMemoryStore(now: Clock): MemoryStore {
  const tasks = new Map<string, Stored>()
  let locked = false
  const find = (key: TaskKey): Stored | undefined => tasks.get(nameOf(key))
  const open = (key: TaskKey, pollNo: number): Stored | undefined => {
    const stored = find(key)
    return stored?.task.status === 'tracking' && stored.task.pollNo === pollNo ? stored : undefined
  }
  return {
    async track(requests) {
      return requests.map((request) => {
        const key = { app: request.app, taskId: request.taskId }
        const known = find(key)
        if (known !== undefined) return { key, ...again(known, request) }
        const sentAt = request.sentAt ?? request.assumedSentAt ?? now()
        const task: LoadedTask = {
          ...{ key, agentId: request.agentId, campaign: request.campaign, sentAt },
          ...{
            status: 'tracking',
            reason: null,
            hindrance: null,
            recipientsKnown: request.userIds !== null,
            recipients: peopleOf(request),
          },
          ...{ deadlineAt: new Date(sentAt.getTime() + QUERY_WINDOW_MS), nextPollAt: now(), pollNo: 0, goodPolls: 0 },
          ...{ lastGoodRequestedAt: null, lastObservedAt: null, failuresInRow: 0, timeoutsInRow: 0 },
          ...{ listedFingerprint: null, listedSince: null, erasureNo: 0, erasures: [] },
        }
        tasks.set(nameOf(key), { task, adopted: false, polls: [], transitions: [] })
        return { key, isNew: true, status: 'tracking', conflict: [], updated: [], stored: null }
      })
    },
    async adopt(plan, limit) {
      const unplanned = [...tasks.values()].filter((stored) => !stored.adopted && stored.task.status === 'tracking').slice(0, limit)
      return unplanned.map((stored) => {
        const { deadlineAt, first } = plan({ key: stored.task.key, sentAt: stored.task.sentAt })
        stored.adopted = true
        stored.task = { ...stored.task, deadlineAt, nextPollAt: first.at }
        return { key: stored.task.key, deadlineAt, look: first }
      })
    },
    async unadopt(keys) {
      for (const key of keys) {
        const stored = open(key, 0)
        if (stored !== undefined) stored.adopted = false
      }
    },
    async load(key) {
      return find(key)?.task ?? null
    },
    async apply(plan) {
      const stored = open(plan.key, plan.believes.pollNo)
      if (stored === undefined) return 'stale'
      stored.polls.push(plan.poll)
      stored.transitions.push(...plan.transitions)
      stored.task = looked(stored.task, plan)
      return 'stored'
    },
    async end(key, believes, update) {
      const stored = open(key, believes.pollNo)
      if (stored === undefined) return 'stale'
      stored.task = ended(stored.task, update)
      return 'stored'
    },
    async putOff(key, believes, nextPollAt, hindrance) {
      const stored = open(key, believes.pollNo)
      if (stored === undefined) return 'stale'
      stored.task = { ...stored.task, nextPollAt, hindrance }
      return 'stored'
    },
    async rename(key, userId, pseudonym) {
      const stored = find(key)
      if (stored === undefined) return
      const recipients = stored.task.recipients.map((one) => (one.userId === userId ? { ...one, userId: pseudonym } : one))
      stored.task = { ...stored.task, recipients }
    },
    async exclusively(work) {
      if (locked) return null
      locked = true
      try {
        return await work({ isHeld: () => true })
      } finally {
        locked = false
      }
    },
    async overdue(before, limit, after) {
      return [...tasks.values()]
        .filter((stored) => stored.adopted && stored.task.nextPollAt !== null && stored.task.nextPollAt < before)
        .map(({ task }) => task)
        .sort(byDeadline)
        .filter((task) => after === null || byDeadline(task, after) > 0)
        .slice(0, limit)
        .map((task) => ({ key: task.key, deadlineAt: task.deadlineAt, look: nextLookOf(task) }))
    },
    async cancel(key) {
      const stored = find(key)
      if (stored?.task.status !== 'tracking') return false
      stored.task = { ...stored.task, status: 'cancelled', reason: 'cancelled: tracking was ended on request', nextPollAt: null }
      return true
    },
    looksOf: (key) => find(key)?.polls ?? [],
    transitionsOf: (key) => find(key)?.transitions ?? [],
    keys: () => [...tasks.values()].map((stored) => stored.task.key),
  }
}

function peopleOf({ userIds }: TrackRequest): Recipient[] {
  return (userIds ?? []).map((userId) => ({ userId, firstSeenAt: null, state: { kind: 'pending' } }))
}

/** A second request: taken while no poll has succeeded. Send times are not compared here. */
function again(known: Stored, { agentId, campaign, ...request }: TrackRequest): TrackOutcome {
  const { task } = known
  const hasOthers = request.userIds !== null && request.userIds.join() !== task.recipients.map(({ userId }) => userId).join()
  const differing = COMPARED_FIELDS.filter(
    (field) =>
      (field === 'agentId' && agentId !== null && agentId !== task.agentId) ||
      (field === 'userIds' && hasOthers) ||
      (field === 'campaign' && campaign !== null && campaign !== task.campaign),
  )
  const outcome = { isNew: false, status: task.status, stored: null }
  if (task.status !== 'tracking' || task.goodPolls > 0) return { ...outcome, conflict: differing, updated: [] }
  if (differing.length > 0) {
    const people = hasOthers ? { recipients: peopleOf({ agentId, campaign, ...request }), recipientsKnown: true } : {}
    known.task = { ...task, ...people, agentId: agentId ?? task.agentId, campaign: campaign ?? task.campaign }
    known.adopted = false
  }
  return { ...outcome, conflict: [], updated: differing }
}

function nameOf(key: TaskKey): string {
  return `${key.app} ${key.taskId}`
}

function byDeadline(a: Pick<LoadedTask, 'key' | 'deadlineAt'>, b: Pick<LoadedTask, 'key' | 'deadlineAt'>): number {
  const between = a.deadlineAt.getTime() - b.deadlineAt.getTime()
  return between !== 0 ? between : nameOf(a.key) < nameOf(b.key) ? -1 : nameOf(a.key) > nameOf(b.key) ? 1 : 0
}

function nextLookOf(task: LoadedTask) {
  const at = task.nextPollAt ?? task.deadlineAt
  const scale = QUERY_WINDOW_MS / (task.deadlineAt.getTime() - task.sentAt.getTime())
  return { at, last: isLastLook(task, at, timingOf(1, scale)) }
}

function looked(task: LoadedTask, plan: LookPlan): LoadedTask {
  const { counts: _, ...columns } = plan.task
  const recipients = new Map(task.recipients.map((recipient) => [recipient.userId, recipient]))
  for (const recipient of plan.changed) recipients.set(recipient.userId, recipient)
  return {
    ...task,
    ...columns,
    pollNo: plan.believes.pollNo + 1,
    hindrance: plan.poll.outcome === 'observed' ? null : task.hindrance,
    recipients: [...recipients.values()].map((one) => asOfLastLook(one, plan.task)).sort((a, b) => (a.userId < b.userId ? -1 : 1)),
  }
}

/** An unchanged look writes no person: whoever is listed as unread was so at the task's last good look. */
function asOfLastLook(recipient: Recipient, { lastGoodRequestedAt }: TaskUpdate): Recipient {
  const { state } = recipient
  if (state.kind !== 'unread' || !state.listed || lastGoodRequestedAt === null) return recipient
  return { ...recipient, state: { ...state, lastUnreadAt: lastGoodRequestedAt } }
}

function ended(task: LoadedTask, { status, reason }: TaskUpdate): LoadedTask {
  return { ...task, status, reason, nextPollAt: null }
}

interface AppRow {
  nextCallAt: number
  month: string
  used: number
  pause: { kind: 'throttled' | 'configuration' | 'quota'; until: number; reason: string; probing: boolean; probes: number } | null
}

const HORIZON_MS = 500
const PROBE_LEASE_MS = 60_000
const CHINA_OFFSET_MS = 8 * 3_600_000

/**
 * A gate for tests of use cases, with the rules of the real one.
 * @param openTasks how many tasks of an app are open: one call is kept back for each
 */
export function createMemoryGate(now: Clock, openTasks: (app: string) => number = () => 0): AppGate {
  const rows = new Map<string, AppRow>()
  const rowOf = (app: string): AppRow => {
    const row = rows.get(app) ?? { nextCallAt: 0, month: '', used: 0, pause: null }
    rows.set(app, row)
    return row
  }
  return {
    async reserve(app, wanted, limits) {
      return reserve(rowOf(app), wanted, limits, now().getTime(), openTasks(app))
    },
    async healthy(app) {
      const row = rowOf(app)
      if (row.pause?.kind === 'configuration') row.pause = null
    },
    async throttle(app, until, reason) {
      const row = rowOf(app)
      const stays = row.pause !== null && (row.pause.kind === 'configuration' || row.pause.until >= until.getTime())
      if (!stays) row.pause = { kind: 'throttled', until: until.getTime(), reason, probing: false, probes: 0 }
    },
    async pause(app, reason, at, probeDelayMs) {
      const row = rowOf(app)
      const { pause } = row
      const counts = pause === null || pause.probing || pause.until <= at.getTime() || pause.kind === 'throttled'
      const probes = pause?.probes ?? 0
      if (counts)
        row.pause = { kind: 'configuration', until: at.getTime() + probeDelayMs(probes), reason, probing: false, probes: probes + 1 }
    },
    async quota(app, until, reason) {
      rowOf(app).pause = { kind: 'quota', until: until.getTime(), reason, probing: false, probes: 0 }
    },
    async refund(app) {
      const row = rowOf(app)
      row.used = Math.max(0, row.used - 1)
    },
  }
}

function reserve(
  row: AppRow,
  wanted: { readonly ordinary: number; readonly last: number },
  { callsPerSecond, monthlyBudget }: AppLimits,
  now: number,
  openTasks: number,
): Reservation {
  if (row.pause !== null && row.pause.until > now) return { kind: 'paused', until: new Date(row.pause.until), reason: row.pause.reason }
  const probe = row.pause?.kind === 'configuration'
  const china = new Date(now + CHINA_OFFSET_MS)
  const month = china.toISOString().slice(0, 7)
  if (row.month !== month) Object.assign(row, { month, used: 0 })
  let { last, ordinary } = wanted
  if (monthlyBudget !== null) {
    const left = Math.max(0, monthlyBudget - row.used)
    last = Math.min(last, left)
    ordinary = Math.min(ordinary, left - Math.max(Math.min(openTasks, left), last))
    if (last + ordinary === 0 && wanted.last + wanted.ordinary > 0) {
      const until = new Date(Date.UTC(china.getUTCFullYear(), china.getUTCMonth() + 1, 1) - CHINA_OFFSET_MS)
      return { kind: 'budget', until, reason: `the monthly budget of ${monthlyBudget} calls leaves none for this` }
    }
  }
  const everyMs = 1_000 / callsPerSecond
  const first = Math.max(row.nextCallAt, now)
  const aheadMs = first - now
  if (aheadMs > HORIZON_MS) return { kind: 'busy', forMs: Math.max(1, Math.ceil(aheadMs - HORIZON_MS / 2)) }
  const room = probe ? 1 : Math.floor((HORIZON_MS - aheadMs) / everyMs) + 1
  last = Math.min(last, room)
  ordinary = Math.min(ordinary, room - last)
  row.nextCallAt = first + (last + ordinary) * everyMs
  row.used += last + ordinary
  if (probe && row.pause !== null) Object.assign(row.pause, { probing: true, until: now + PROBE_LEASE_MS })
  else row.pause = null
  return { kind: 'granted', last, ordinary, firstInMs: aheadMs, everyMs }
}
