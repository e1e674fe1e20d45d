import { QUERY_WINDOW_MS, type Recipient, type ScopeState, type TaskKey, type TaskScopes } from '../../src/domain/delivery.ts'
import type { Poll, TaskUpdate, Transition, WritePlan } from '../../src/domain/plan.ts'
import type { ScopeFailure } from '../../src/domain/plan-failed.ts'
import { buildTiming, isFinalPoll } from '../../src/domain/poll-times.ts'
import type { Problem, ProblemCode } from '../../src/domain/problems.ts'
import type { EndReason, PauseDetail } from '../../src/domain/reasons.ts'
import { COMPARED_FIELDS, type TrackOutcome } from '../../src/domain/track-outcome.ts'
import type { TrackRequest } from '../../src/intake/track-request.ts'
import type {
  AppLimits,
  Clock,
  DeliveryStore,
  LoadedTask,
  RateLimiter,
  Reservation,
  ScopeEvidence,
  WantedCalls,
} from '../../src/polling/ports.ts'
import { withoutRecipients } from '../domain/support.ts'

/** A task and why it ended. */
export interface StoredTask extends LoadedTask {
  readonly reason: EndReason | null
}

export interface MemoryStore extends DeliveryStore {
  load(key: TaskKey): Promise<StoredTask | null>
  /** Brings forward the open tasks that a pause delayed, and those that had its problem themselves. @returns how many */
  resume(lifted: Lifted): number
  cancel(key: TaskKey): Promise<boolean>
  /** What was recorded, oldest first. */
  looksOf(key: TaskKey): readonly Poll[]
  transitionsOf(key: TaskKey): readonly Transition[]
  keys(): TaskKey[]
  rows(): StoredTask[]
}

/** A pause that is over, and whose tasks are due. */
export interface Lifted {
  readonly app: string
  readonly scope: PauseDetail['scope']
  readonly problems: readonly ProblemCode[]
  /** Of a pair: the agent id. Null: whatever the agent id. */
  readonly agentId: string | null
}

interface Stored {
  task: StoredTask
  scheduled: boolean
  /** The next poll was brought forward. */
  resumed: boolean
  readonly polls: Poll[]
  readonly transitions: Transition[]
}

const NOTHING_KNOWN: ScopeState = { lastGoodAt: null, pause: null, hasWitness: false }
const noScopes = (_app: string, agentId: string | null): TaskScopes => ({
  agentId,
  app: { ...NOTHING_KNOWN, resumedAt: null },
  pair: NOTHING_KNOWN,
})

/**
 * A store for tests of use cases. The same contract suite runs on it and on PostgreSQL.
 * @param scopesOf what is known about the scopes around a task; see {@link MemoryGate}
 */
export function createMemoryStore(now: Clock, scopesOf: MemoryGate['scopesOf'] = noScopes): MemoryStore {
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
        const task: StoredTask = {
          ...{ key, agentId: request.agentId, campaign: request.campaign, sentAt, sentAtGiven: request.sentAt !== null },
          ...{ pollOffsetsMs: null, admitted: true },
          ...{ status: 'tracking', reason: null, recipientsKnown: request.userIds !== null, recipients: peopleOf(request) },
          ...{ deadlineAt: new Date(sentAt.getTime() + QUERY_WINDOW_MS), nextPollAt: now(), pollNo: 0, goodPolls: 0 },
          ...{ lastGoodRequestedAt: null, lastObservedAt: null, failuresInRow: 0, calls: 0, finalCalls: 0, problem: null, delay: null },
          scopes: scopesOf(key.app, request.agentId),
          ...{ listedFingerprint: null, listedSince: null, answerDigest: null, erasureNo: 0, erasures: [] },
        }
        tasks.set(nameOf(key), { task, scheduled: false, resumed: false, polls: [], transitions: [] })
        return { key, isNew: true, status: 'tracking', conflict: [], updated: [], stored: null }
      })
    },
    async schedule(plan, limit) {
      const unplanned = [...tasks.values()].filter((stored) => !stored.scheduled && stored.task.status === 'tracking').slice(0, limit)
      return Promise.all(
        unplanned.map(async (stored) => {
          const { resumed, task } = stored
          const people = task.recipientsKnown ? task.recipients.length : 0
          Object.assign(stored, { scheduled: true, resumed: false })
          const { deadlineAt, first, pollOffsetsMs } = await plan({ ...task, people, resumed })
          stored.task = { ...stored.task, deadlineAt, pollOffsetsMs, nextPollAt: first.at }
          return { key: task.key, deadlineAt, poll: first, resumed }
        }),
      )
    },
    async unschedule(keys) {
      for (const key of keys) {
        const stored = open(key, 0)
        if (stored !== undefined) stored.scheduled = false
      }
    },
    async load(key) {
      const task = find(key)?.task
      return task === undefined ? null : { ...task, scopes: scopesOf(key.app, task.agentId) }
    },
    async loadForPoll(key) {
      return this.load(key).then((task) => (task === null || task.answerDigest === null ? task : withoutRecipients(task)))
    },
    async apply(plan) {
      const stored = open(plan.key, plan.expected.pollNo)
      if (stored === undefined) return 'stale'
      stored.polls.push(plan.poll)
      stored.transitions.push(...plan.transitions)
      stored.task = polled(stored.task, plan)
      return 'stored'
    },
    async end(key, expected, update) {
      const stored = open(key, expected.pollNo)
      if (stored === undefined) return 'stale'
      stored.task = ended(stored.task, update)
      return 'stored'
    },
    async delay(key, expected, { reason: delay, ...columns }) {
      const stored = open(key, expected.pollNo)
      // A task that was brought forward meanwhile is polled anyway, and keeps its new time.
      if (stored === undefined || stored.resumed) return 'stale'
      stored.task = { ...stored.task, ...columns, delay }
      return 'stored'
    },
    resume(lifted) {
      const waiting = [...tasks.values()].filter((stored) => stored.scheduled && isWaitingFor(lifted, stored.task, now()))
      for (const stored of waiting) {
        Object.assign(stored, { scheduled: false, resumed: true })
        stored.task = { ...stored.task, nextPollAt: now(), delay: null }
      }
      return waiting.length
    },
    async rename(key, userId, pseudonym) {
      const stored = find(key)
      if (stored === undefined) return
      const recipients = stored.task.recipients.map((one) => (one.userId === userId ? { ...one, userId: pseudonym } : one))
      stored.task = { ...stored.task, recipients, answerDigest: null }
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
        .filter((stored) => stored.scheduled && stored.task.nextPollAt !== null && stored.task.nextPollAt < before)
        .map(({ task }) => task)
        .sort(byDeadline)
        .filter((task) => after === null || byDeadline(task, after) > 0)
        .slice(0, limit)
        .map((task) => ({ key: task.key, deadlineAt: task.deadlineAt, poll: nextLookOf(task) }))
    },
    async cancel(key) {
      const stored = find(key)
      if (stored?.task.status !== 'tracking') return false
      stored.task = { ...stored.task, status: 'cancelled', reason: { code: 'cancelled', detail: null }, nextPollAt: null }
      return true
    },
    looksOf: (key) => find(key)?.polls ?? [],
    transitionsOf: (key) => find(key)?.transitions ?? [],
    keys: () => [...tasks.values()].map((stored) => stored.task.key),
    rows: () => [...tasks.values()].map((stored) => stored.task),
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
    known.scheduled = false
  }
  return { ...outcome, conflict: [], updated: differing }
}

function isWaitingFor(
  { app, scope, problems, agentId }: Lifted,
  { key, status, nextPollAt, delay, problem }: StoredTask,
  now: Date,
): boolean {
  // A task that is due already is being polled.
  if (key.app !== app || status !== 'tracking' || nextPollAt === null || nextPollAt <= now) return false
  const isIn = (detail: { readonly agentId: string | null }): boolean => agentId === null || detail.agentId === agentId
  const isDelayed = delay?.code === 'paused' && delay.detail.scope === scope && isIn(delay.detail)
  return isDelayed || (problem !== null && problems.includes(problem.code) && isIn(problem.detail))
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
  return { at, last: isFinalPoll(task, at, buildTiming(1, scale)) }
}

function polled(task: StoredTask, plan: WritePlan): StoredTask {
  const { counts: _, ...columns } = plan.task
  const recipients = new Map(task.recipients.map((recipient) => [recipient.userId, recipient]))
  for (const recipient of plan.changed) recipients.set(recipient.userId, recipient)
  return {
    ...task,
    ...columns,
    pollNo: plan.expected.pollNo + 1,
    recipients: [...recipients.values()].map((one) => asOfLastLook(one, plan.task)).sort((a, b) => (a.userId < b.userId ? -1 : 1)),
  }
}

/** An unchanged poll writes no person: whoever is listed as unread was so at the task's last successful poll. */
function asOfLastLook(recipient: Recipient, { lastGoodRequestedAt }: TaskUpdate): Recipient {
  const { state } = recipient
  if (state.kind !== 'unread' || !state.listed || lastGoodRequestedAt === null) return recipient
  return { ...recipient, state: { ...state, lastUnreadAt: lastGoodRequestedAt } }
}

function ended(task: StoredTask, { status, reason }: TaskUpdate): StoredTask {
  return { ...task, status, reason, nextPollAt: null }
}

/** The columns of a scope that can be paused. */
interface ScopeRow {
  lastGoodAt: Date | null
  pause: { problem: Problem; until: number; since: Date; setAt: number; probing: boolean; probes: number } | null
  witness: { code: ProblemCode; taskId: string; since: Date; polls: number; agrees: boolean } | null
}

interface AppRow extends ScopeRow {
  nextCallAt: number
  month: string
  used: number
}

export interface MemoryGate extends RateLimiter, ScopeEvidence {
  /** What a store gives a task along when it is loaded. */
  scopesOf(app: string, agentId: string | null): TaskScopes
}

export interface MemoryGateOptions {
  /**
   * How many tasks of an app are open, have not begun their final poll, and have it in the month that ends at `monthEnd`: one call is kept back
   * for each. Default: 0.
   */
  readonly openTasks?: (app: string, monthEnd: Date) => number
  /** A pause was lifted: the tasks that waited for it are brought forward. */
  readonly resume?: (lifted: Lifted) => void
  /** When the last successful poll of any task of a scope was requested; agent id undefined: of the app. Default: what was reported. */
  readonly lastGoodOf?: (app: string, agentId?: string | null) => Date | null
}

const HORIZON_MS = 500
const PROBE_LEASE_MS = 60_000
const CHINA_OFFSET_MS = 8 * 3_600_000

/** A gate for tests of use cases, with the rules of the real one. */
export function createMemoryGate(
  now: Clock,
  { openTasks = () => 0, resume = () => undefined, lastGoodOf = () => null }: MemoryGateOptions = {},
): MemoryGate {
  const apps = new Map<string, AppRow>()
  const pairs = new Map<string, ScopeRow>()
  const aRow = (): ScopeRow => ({ lastGoodAt: null, pause: null, witness: null })
  const appRow = (app: string): AppRow => rowIn(apps, app, () => ({ ...aRow(), nextCallAt: 0, month: '', used: 0 }))
  const pairRow = (app: string, agentId: string | null): ScopeRow => rowIn(pairs, `${app} ${agentId}`, aRow)
  return {
    async reserve(app, wanted, limits) {
      return reserve(appRow(app), wanted, limits, now().getTime(), (monthEnd) => openTasks(app, monthEnd))
    },
    async refund(app, month, calls) {
      const row = appRow(app)
      if (row.month === month) row.used = Math.max(0, row.used - calls)
    },
    async recordFailure({ app, taskId }, agentId, report) {
      const [row, goodAt] = report.kind === 'app' ? [appRow(app), lastGoodOf(app)] : [pairRow(app, agentId), lastGoodOf(app, agentId)]
      return countFailure(row, taskId, report, now().getTime(), goodAt)
    },
    async recordSuccess({ app }, agentId, requestedAt) {
      const appProblem = countSuccess(appRow(app), requestedAt)
      const pairProblem = agentId === null ? null : countSuccess(pairRow(app, agentId), requestedAt)
      if (appProblem !== null) resume({ app, scope: 'app', problems: [appProblem], agentId: null })
      if (pairProblem !== null) resume({ app, scope: 'pair', problems: [pairProblem], agentId })
      return appProblem !== null || pairProblem !== null
    },
    async claimProbe(app, agentId) {
      const { pause } = pairRow(app, agentId)
      const at = now().getTime()
      if (pause === null || isOngoing(pause, at)) return false
      Object.assign(pause, { probing: true, setAt: at, until: at + PROBE_LEASE_MS })
      return true
    },
    scopesOf: (app, agentId) => ({ agentId, app: { ...stateOf(appRow(app)), resumedAt: null }, pair: stateOf(pairRow(app, agentId)) }),
  }
}

function rowIn<Row>(rows: Map<string, Row>, key: string, fresh: () => Row): Row {
  const row = rows.get(key) ?? fresh()
  rows.set(key, row)
  return row
}

function stateOf({ lastGoodAt, pause, witness }: ScopeRow): ScopeState {
  return {
    lastGoodAt,
    pause: pause === null ? null : { problem: pause.problem, until: new Date(pause.until) },
    hasWitness: witness !== null,
  }
}

/**
 * @param goodAt of the tasks in the scope, which is newer than what was reported of them
 * @returns whether the scope is paused
 */
function countFailure(row: ScopeRow, taskId: string, report: ScopeFailure, now: number, goodAt: Date | null): boolean {
  if (row.pause !== null) {
    row.pause = pausedAgain(row.pause, report, now)
    return true
  }
  const { problem, agreement } = report
  const witness = row.witness === null || isRefuted(row, row.witness, report, goodAt) ? aWitness(taskId, report) : row.witness
  witness.polls++
  witness.agrees ||= witness.taskId !== taskId
  row.witness = witness
  if (witness.polls < agreement.polls || !witness.agrees) return false
  row.pause = { problem, since: witness.since, setAt: now, probing: false, probes: 1, until: pauseEnd(report, 1, now) }
  row.witness = null
  return true
}

type Pause = NonNullable<ScopeRow['pause']>
type Witness = NonNullable<ScopeRow['witness']>

/** In a paused scope only the answer to a probe counts, and a later end that an answer names. */
function pausedAgain(pause: Pause, report: ScopeFailure, now: number): Pause {
  const { problem, requestedAt, until } = report
  const isProbe = pause.probing || pause.until <= now
  if (!isProbe && (until === null || until.getTime() <= pause.until)) return pause
  const isSame = pause.problem.code === problem.code
  const probes = isSame ? pause.probes + 1 : 1
  return { problem, probes, since: isSame ? pause.since : requestedAt, setAt: now, probing: false, until: pauseEnd(report, probes, now) }
}

function pauseEnd({ until, probeDelaysMs }: ScopeFailure, probes: number, now: number): number {
  return until?.getTime() ?? now + (probeDelaysMs[Math.min(probes, probeDelaysMs.length) - 1] ?? 0)
}

function aWitness(taskId: string, { problem, requestedAt, agreement }: ScopeFailure): Witness {
  return { code: problem.code, taskId, since: requestedAt, polls: 0, agrees: agreement.tasks <= 1 }
}

/** Another problem, or a success since. */
function isRefuted({ lastGoodAt }: ScopeRow, { code, since }: Witness, { problem }: ScopeFailure, goodAt: Date | null): boolean {
  return code !== problem.code || [lastGoodAt, goodAt].some((at) => at !== null && at > since)
}

/** Limits are not refuted by the answer to a call that was under way when they began. */
const LIMITS: ReadonlySet<ProblemCode> = new Set(['rate_limit', 'quota'])

/** @returns the problem whose pause it lifted */
function countSuccess(row: ScopeRow, requestedAt: Date): ProblemCode | null {
  const { pause, witness } = row
  if (row.lastGoodAt === null || requestedAt > row.lastGoodAt) row.lastGoodAt = requestedAt
  if (witness !== null && witness.since < requestedAt) row.witness = null
  if (pause === null) return null
  const begunAt = LIMITS.has(pause.problem.code) ? pause.setAt : pause.since.getTime()
  if (!pause.probing && requestedAt.getTime() < begunAt) return null
  row.pause = null
  return pause.problem.code
}

function monthEndOf(china: Date): Date {
  return new Date(Date.UTC(china.getUTCFullYear(), china.getUTCMonth() + 1, 1) - CHINA_OFFSET_MS)
}

/** A pause that was set in the future was set before the clock stepped back. */
function isOngoing({ until, setAt }: Pause, now: number): boolean {
  return until > now && setAt <= now + 1_000
}

function reserve(row: AppRow, wanted: WantedCalls, limits: AppLimits, now: number, openTasks: (monthEnd: Date) => number): Reservation {
  const { pause } = row
  const isPaused = pause !== null && isOngoing(pause, now)
  let ordinary = isPaused ? 0 : wanted.ordinary
  let reserved = isPaused ? Math.min(wanted.forced, wanted.reserved) : wanted.reserved
  if (isPaused && reserved === 0) return { kind: 'paused', until: new Date(pause.until), problem: pause.problem }
  const isProbe = pause !== null && !isPaused
  const china = new Date(now + CHINA_OFFSET_MS)
  const month = china.toISOString().slice(0, 7)
  if (row.month !== month) Object.assign(row, { month, used: 0 })
  if (limits.monthlyBudget !== null) {
    const until = monthEndOf(china)
    const left = Math.max(0, limits.monthlyBudget - row.used)
    const kept = ordinary > 0 ? Math.min(openTasks(until), left) : 0
    reserved = Math.min(reserved, left)
    ordinary = Math.max(0, Math.min(ordinary, left - Math.max(kept, reserved)))
    if (reserved + ordinary === 0 && wanted.reserved + wanted.ordinary > 0)
      return { kind: 'budget', until, used: row.used, reserved: kept, month }
  }
  const everyMs = 1_000 / limits.callsPerSecond
  // What lies further ahead than anything reserves was written before the clock stepped back.
  const first = Math.max(Math.min(row.nextCallAt, now + HORIZON_MS + everyMs), now)
  const aheadMs = first - now
  if (aheadMs > HORIZON_MS) return { kind: 'busy', forMs: Math.max(1, Math.ceil(aheadMs - HORIZON_MS / 2)) }
  const room = isProbe ? 1 : Math.floor((HORIZON_MS - aheadMs) / everyMs) + 1
  reserved = Math.min(reserved, room)
  ordinary = Math.min(ordinary, room - reserved)
  row.nextCallAt = first + (reserved + ordinary) * everyMs
  row.used += reserved + ordinary
  if (isProbe) Object.assign(pause, { probing: true, setAt: now, until: now + PROBE_LEASE_MS })
  return { kind: 'granted', reserved, ordinary, firstInMs: aheadMs, everyMs, month }
}
