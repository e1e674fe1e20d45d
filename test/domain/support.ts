import fc from 'fast-check'
import { parseAnswer } from '../../src/domain/answer.ts'
import type {
  Answer,
  BareTask,
  ListedState,
  Observation,
  Recipient,
  RecipientState,
  Refusal,
  StateKind,
  Task,
} from '../../src/domain/delivery.ts'
import { HOUR_MS, MINUTE_MS, SECOND_MS, type TaskProblem, type TaskScopes } from '../../src/domain/delivery.ts'
import { countStates, planPoll, planStart, type WritePlan } from '../../src/domain/plan.ts'
import { buildTiming, type Timing } from '../../src/domain/poll-times.ts'
import { toProblem } from '../../src/domain/problems.ts'
import type { EndReason } from '../../src/domain/reasons.ts'
import { runs } from '../support/runs.ts'

/** Every message of these tests was sent at 09:00 in China. */
export const SENT = new Date('2026-11-23T01:00:00.000Z')
export const TIMING = buildTiming(24)
export const KEY = { app: 'default', taskId: '256271667526' }

export const minutesLater = (minutes: number): Date => new Date(SENT.getTime() + minutes * MINUTE_MS)
export const hoursLater = (hours: number): Date => new Date(SENT.getTime() + hours * HOUR_MS)
export const after = (at: Date, ms: number): Date => new Date(at.getTime() + ms)
/** An answer takes a second in these tests. */
export const arrivalOf = (requestedAt: Date): Date => after(requestedAt, SECOND_MS)

/** A poll that was made three minutes after the send is what the states below come from. */
const EARLIER = minutesLater(3)
export const pending: RecipientState = { kind: 'pending' }
export const invalid: RecipientState = { kind: 'invalid' }
export const failed: RecipientState = { kind: 'failed' }
export const forbidden: RecipientState = { kind: 'forbidden', code: '143105', count: 500 }
export const unread: RecipientState = { kind: 'unread', lastUnreadAt: EARLIER, listed: true }
export const read: RecipientState = { kind: 'read', lastUnreadAt: null, firstReadAt: arrivalOf(EARLIER) }

export function person(userId: string, state: RecipientState = pending): Recipient {
  return { userId, state, firstSeenAt: state.kind === 'pending' ? null : arrivalOf(EARLIER) }
}

/** A task and why it ended, as a store keeps both. */
export interface StoredTask extends Task {
  readonly reason: EndReason | null
}

/** Polls succeed with the agent id and in the app, since before the send if not said otherwise. */
export function someScopes(goodAt: { readonly app?: Date | null; readonly pair?: Date | null } = {}): TaskScopes {
  const { app = minutesLater(-60), pair = minutesLater(-60) } = goodAt
  const calm = { pause: null, hasWitness: false }
  return { agentId: '836390886', app: { ...calm, lastGoodAt: app, resumedAt: null }, pair: { ...calm, lastGoodAt: pair } }
}

/** A problem that a task has, as it is stored. */
export function aProblem(code: string | number, message = '', stored: Partial<TaskProblem> = {}): TaskProblem {
  return { ...toProblem({ code: String(code), message, requestId: null }, '836390886'), since: minutesLater(4), polls: 1, ...stored }
}

/** A task whose recipients the sender named. It was polled at once, three minutes after the send, if anybody is more than pending. */
export function aTask(people: Readonly<Record<string, RecipientState>> = {}, columns: Partial<StoredTask> = {}): StoredTask {
  const polled = Object.values(people).some((state) => state.kind !== 'pending')
  return {
    key: KEY,
    agentId: null,
    campaign: null,
    status: 'tracking',
    reason: null,
    sentAt: SENT,
    sentAtGiven: true,
    deadlineAt: hoursLater(24),
    pollOffsetsMs: null,
    admitted: true,
    recipientsKnown: true,
    pollNo: polled ? 1 : 0,
    nextPollAt: minutesLater(polled ? 9 : 3),
    lastGoodRequestedAt: polled ? EARLIER : null,
    lastObservedAt: polled ? arrivalOf(EARLIER) : null,
    goodPolls: polled ? 1 : 0,
    failuresInRow: 0,
    calls: polled ? 1 : 0,
    finalCalls: 0,
    problem: null,
    delay: null,
    scopes: someScopes(),
    listedFingerprint: null,
    listedSince: null,
    erasureNo: 0,
    answerDigest: null,
    recipients: Object.entries(people).map(([userId, state]) => person(userId, state)),
    ...columns,
  }
}

/** As a store loads a task for a poll whose answer probably changes no recipient. */
export function withoutRecipients<T extends Task>({ recipients, ...task }: T): Omit<T, 'recipients'> & Pick<BareTask, 'counts'> {
  return { ...task, counts: countStates(recipients) }
}

/** A task without named recipients. */
export const anOpenTask = (people: Readonly<Record<string, RecipientState>> = {}, columns: Partial<StoredTask> = {}): StoredTask =>
  aTask(people, { recipientsKnown: false, ...columns })

/** Who is in which list of an answer. */
export interface Lists {
  readonly read?: readonly string[]
  readonly unread?: readonly string[]
  readonly failed?: readonly string[]
  readonly invalid?: readonly string[]
  readonly forbidden?: readonly string[]
}

/** The JSON of a good answer. */
export function wire(lists: Lists): Record<string, unknown> {
  return {
    errcode: 0,
    send_result: {
      read_user_id_list: lists.read ?? [],
      unread_user_id_list: lists.unread ?? [],
      failed_user_id_list: lists.failed ?? [],
      invalid_user_id_list: lists.invalid ?? [],
      forbidden_list: (lists.forbidden ?? []).map((userid) => ({ code: '143105', count: 500, userid })),
    },
    request_id: '6pcvwp6jcows',
  }
}

export const exchangeAt = (requestedAt: Date) => ({ requestedAt, respondedAt: arrivalOf(requestedAt) })

/** What DingTalk answers to a request that was sent four minutes after the message, if not said otherwise. */
export const answer = (lists: Lists, requestedAt: Date = minutesLater(4)): Answer => parseAnswer(wire(lists), exchangeAt(requestedAt))

export const empty = (requestedAt: Date = minutesLater(4)): Answer =>
  parseAnswer({ errcode: 0, send_result: null }, exchangeAt(requestedAt))

export function refused(code: string | number, message = '', requestedAt: Date = minutesLater(4)): Refusal {
  return { kind: 'refused', code: String(code), message, requestId: null, requestedAt, respondedAt: arrivalOf(requestedAt) }
}

/** One poll whose answer arrives a second after the request, and what it leaves behind. */
export function poll(task: Task, said: Answer, timing: Timing = TIMING, calls = 1): WritePlan {
  const { requestedAt } = said.kind === 'observed' ? said.observation : said
  return planPoll(task, said, calls, arrivalOf(requestedAt), timing)
}

/** The task as it comes from the store again after a poll: what a store of any kind has to do with a plan. */
export function afterwards(task: Task & Partial<StoredTask>, plan: WritePlan): StoredTask {
  const { counts: _, ...columns } = plan.task
  const reason = task.status === 'tracking' ? columns.reason : (task.reason ?? null)
  const rows = new Map([...task.recipients, ...plan.changed].map((recipient) => [recipient.userId, recipient]))
  const recipients = [...rows.values()].map((recipient) => asOf(recipient, columns.lastGoodRequestedAt))
  return { ...task, ...columns, reason, pollNo: plan.poll.pollNo, recipients }
}

/** "Listed as unread by the last successful poll" is stored as that, so the time is the last successful poll's. */
function asOf(recipient: Recipient, lastGoodRequestedAt: Date | null): Recipient {
  const { state } = recipient
  if (state.kind !== 'unread' || !state.listed || lastGoodRequestedAt === null) return recipient
  return { ...recipient, state: { ...state, lastUnreadAt: lastGoodRequestedAt } }
}

/** The task after some polls in a row. */
export const afterPolls = (task: StoredTask, answers: readonly Answer[]): StoredTask =>
  answers.reduce((before, said) => afterwards(before, poll(before, said)), task)

/** A task as `planStart` begins it, tracked from the moment of the send on if not said otherwise. */
export function aStartedTask(options: {
  readonly taskId?: string
  readonly userIds?: readonly string[]
  readonly from?: Date
  readonly timing?: Timing
  readonly sentAtGiven?: boolean
}): StoredTask {
  const key = { ...KEY, taskId: options.taskId ?? KEY.taskId }
  const { sentAtGiven = true } = options
  const { deadlineAt, first, pollOffsetsMs } = planStart({ key, sentAt: SENT, sentAtGiven }, options.from ?? SENT, options.timing ?? TIMING)
  const recipients = (options.userIds ?? []).map((userId) => person(userId))
  return aTask(
    {},
    { key, sentAtGiven, deadlineAt, pollOffsetsMs, nextPollAt: first.at, recipients, recipientsKnown: options.userIds !== undefined },
  )
}

export function stateOf(task: Task, userId: string): RecipientState | undefined {
  return task.recipients.find((recipient) => recipient.userId === userId)?.state
}

export function kindsOf(task: Task): Record<string, StateKind> {
  return Object.fromEntries(task.recipients.map((recipient) => [recipient.userId, recipient.state.kind]))
}

/** Everything about the people that the store keeps, in one comparable value. */
export function rowsOf(task: Task): readonly Recipient[] {
  return task.recipients.toSorted((a, b) => (a.userId < b.userId ? -1 : 1))
}

// ---- a truthful DingTalk

/** What really happens to one person. Minutes after the send. */
export interface Fate {
  /** From then on some list names the person. */
  readonly listedAt: number
  readonly end: 'reads' | 'never reads' | 'failed' | 'invalid' | 'forbidden'
  /** When the person reads, if they do; never before they are listed. */
  readonly readAt: number
}

export type Fates = Readonly<Record<string, Fate>>

/** Whom a truthful server lists where at a moment: pending, then unread, then read for ever; or one of the other lists for ever. */
export function truthAt(fates: Fates, at: Date): Lists {
  const lists: Record<keyof Lists, string[]> = { read: [], unread: [], failed: [], invalid: [], forbidden: [] }
  for (const [userId, fate] of Object.entries(fates)) {
    const list = listAt(fate, (at.getTime() - SENT.getTime()) / MINUTE_MS)
    if (list !== null) lists[list].push(userId)
  }
  return lists
}

function listAt(fate: Fate, minute: number): keyof Lists | null {
  if (minute < fate.listedAt) return null
  if (fate.end === 'reads') return minute < fate.readAt ? 'unread' : 'read'
  return fate.end === 'never reads' ? 'unread' : fate.end
}

const NAMES = ['ann', 'bob', 'cy', '036632523163121146', '李雷']
const DAY_MINUTES = 24 * 60

/** @param lastMinute no recipient is listed or reads later */
const aFate = (lastMinute = DAY_MINUTES + 30): fc.Arbitrary<Fate> =>
  fc
    .record({
      listedAt: fc.oneof(fc.constant(0), fc.double({ min: 0, max: Math.min(60, lastMinute), noNaN: true })),
      end: fc.constantFrom<Fate['end']>('reads', 'reads', 'reads', 'never reads', 'failed', 'invalid', 'forbidden'),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    })
    .map(({ listedAt, end, share }) => ({ listedAt, end, readAt: listedAt + share * (lastMinute - listedAt) }))

export const someFates = (lastMinute?: number): fc.Arbitrary<Fates> =>
  fc.dictionary(fc.constantFrom(...NAMES), aFate(lastMinute), { minKeys: 1, maxKeys: NAMES.length })

// ---- a DingTalk that says anything

/** A moment of the day, on whole minutes so that different answers often carry the same one. */
export const aMinute: fc.Arbitrary<number> = fc.integer({ min: 0, max: 40 })

const aListedState: fc.Arbitrary<ListedState> = fc.oneof(
  fc.constantFrom<ListedState>({ kind: 'read' }, { kind: 'unread' }, { kind: 'failed' }, { kind: 'invalid' }),
  fc.record({
    kind: fc.constant('forbidden' as const),
    code: fc.constantFrom(null, '143105', '143106'),
    count: fc.constantFrom(null, 1, 500),
  }),
)

export const anyObservation: fc.Arbitrary<Observation> = fc
  .record({ minute: aMinute, delay: fc.integer({ min: 1, max: 3 }), people: fc.dictionary(fc.constantFrom(...NAMES), aListedState) })
  .map(({ minute, delay, people }) => ({
    requestedAt: minutesLater(minute),
    respondedAt: minutesLater(minute + delay),
    requestId: null,
    people: new Map(Object.entries(people)),
  }))

/** Any state that merging can arrive at: a lower bound of a bracket is below the upper one. */
export const anyState: fc.Arbitrary<RecipientState> = fc.oneof(
  fc.constantFrom(pending, invalid, failed),
  fc.record({
    kind: fc.constant('forbidden' as const),
    code: fc.constantFrom(null, '143105', '143106'),
    count: fc.constantFrom(null, 1, 500),
  }),
  fc.record({ kind: fc.constant('unread' as const), lastUnreadAt: aMinute.map(minutesLater), listed: fc.boolean() }),
  fc.record({ unreadAt: fc.option(aMinute), wait: fc.integer({ min: 1, max: 40 }) }).map(
    ({ unreadAt, wait }): RecipientState => ({
      kind: 'read',
      lastUnreadAt: unreadAt === null ? null : minutesLater(unreadAt),
      firstReadAt: minutesLater((unreadAt ?? 0) + wait),
    }),
  ),
)

/** Properties run with one seed, so that a red one is red again; on failure fast-check prints the smallest case. */
export function holds<T>(property: fc.IProperty<T>, numRuns = 1_000): void {
  fc.assert(property, { numRuns: runs(numRuns), seed: 20_261_123 })
}
