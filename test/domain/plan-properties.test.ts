import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseAnswer } from '../../src/domain/answer.ts'
import type { Answer, Recipient, RecipientState, Task } from '../../src/domain/delivery.ts'
import { planPoll, type WritePlan } from '../../src/domain/plan.ts'
import { buildTiming, finalPollTime, jitterOf, type Timing } from '../../src/domain/poll-times.ts'
import { OUTCOMES } from '../../src/domain/problems.ts'
import { runs } from '../support/runs.ts'
import {
  after,
  afterPolls,
  afterwards,
  answer,
  arrivalOf,
  aStartedTask,
  exchangeAt,
  type Fates,
  holds,
  minutesLater,
  poll,
  rowsOf,
  SENT,
  type StoredTask,
  someFates,
  TIMING,
  truthAt,
} from './support.ts'

// ---- a truthful server

const fewMinutes = fc.uniqueArray(fc.integer({ min: 0, max: 1_430 }), { minLength: 1, maxLength: 8 })

/** The same answers in another order, some of them more than once. */
const shuffledWithRepetitions = (answers: readonly Answer[]): fc.Arbitrary<Answer[]> =>
  fc
    .tuple(fc.shuffledSubarray([...answers], { minLength: answers.length }), fc.array(fc.constantFrom(...answers), { maxLength: 4 }))
    .chain(([all, again]) => fc.shuffledSubarray([...all, ...again], { minLength: all.length + again.length }))

test('any order and repetition of the good answers of a truthful server gives the same people, brackets and counts', () => {
  const histories = fc.tuple(someFates(), fewMinutes, fc.boolean()).chain(([fates, minutes, named]) => {
    const inOrder = minutes.toSorted((a, b) => a - b).map((minute) => answer(truthAt(fates, minutesLater(minute)), minutesLater(minute)))
    return fc.record({
      inOrder: fc.constant(inOrder),
      shuffled: shuffledWithRepetitions(inOrder),
      userIds: fc.constant(named ? Object.keys(fates) : []),
    })
  })
  holds(
    fc.property(histories, ({ inOrder, shuffled, userIds }) => {
      const start = aStartedTask(userIds.length > 0 ? { userIds } : {})
      expect(rowsOf(afterPolls(start, shuffled))).toEqual(rowsOf(afterPolls(start, inOrder)))
    }),
    1_500,
  )
})

interface Exchange {
  readonly gapMinutes: number
  readonly outwardMs: number
  readonly homewardMs: number
  readonly fails: boolean
}

const anExchange: fc.Arbitrary<Exchange> = fc.record({
  gapMinutes: fc.double({ min: 0.01, max: 200, noNaN: true }),
  outwardMs: fc.integer({ min: 0, max: 120_000 }),
  homewardMs: fc.integer({ min: 0, max: 120_000 }),
  fails: fc.boolean(),
})

test('the true read time lies inside the stored bracket for every person who read; so do all other changes', () => {
  holds(
    fc.property(someFates(), fc.array(anExchange, { minLength: 1, maxLength: 12 }), fc.boolean(), (fates, exchanges, sentAtGiven) => {
      let task = aStartedTask({ userIds: Object.keys(fates), sentAtGiven })
      let requestedAt = SENT
      for (const { gapMinutes, outwardMs, homewardMs, fails } of exchanges) {
        requestedAt = after(requestedAt, gapMinutes * 60_000)
        const respondedAt = after(requestedAt, outwardMs + homewardMs)
        const plan = planPoll(
          task,
          truthfulAnswer(fates, requestedAt, after(requestedAt, outwardMs), respondedAt, fails),
          1,
          respondedAt,
          TIMING,
        )
        task = afterwards(task, plan)
        expect(plan.transitions.filter((change) => !isTrue(fates, change, sentAtGiven))).toEqual([])
        expect(plan.poll.anomalies).toBe(0)
        requestedAt = respondedAt
      }
      expect(task.recipients.filter((recipient) => !isTrueBracket(fates, recipient))).toEqual([])
    }),
    1_500,
  )
})

/** What a truthful server says that handles the request some time after it was sent, and whose answer takes some time to arrive. */
function truthfulAnswer(fates: Fates, requestedAt: Date, handledAt: Date, respondedAt: Date, fails: boolean): Answer {
  if (fails) return { kind: 'refused', code: 'HTTP_502', message: '', requestId: null, requestedAt, respondedAt }
  const said = answer(truthAt(fates, handledAt), requestedAt)
  return said.kind === 'observed' ? { ...said, observation: { ...said.observation, respondedAt } } : said
}

function isTrueBracket(fates: Fates, { userId, state }: Recipient): boolean {
  if (state.kind !== 'read') return true
  const readAt = minutesLater(fates[userId]!.readAt)
  return (state.lastUnreadAt === null ? readAt >= SENT : readAt > state.lastUnreadAt) && readAt <= state.firstReadAt
}

/** Only an assumed send time leaves a change without a lower bound. */
function isTrue(fates: Fates, { userId, to, afterAt, at }: WritePlan['transitions'][number], sentAtGiven: boolean): boolean {
  const fate = fates[userId]!
  const changedAt = minutesLater(to === 'read' ? fate.readAt : fate.listedAt)
  if (afterAt === null) return !sentAtGiven && changedAt <= at
  return changedAt >= afterAt && changedAt <= at && afterAt < at
}

// ---- a server that says anything

const NAMES = ['ann', 'bob', 'cy', '036', '__proto__']
const oddities: readonly unknown[] = [
  undefined,
  null,
  '',
  'ann',
  'ann,bob',
  0,
  -1,
  1.5,
  {},
  [],
  [[]],
  [null, 7, ' ann '],
  ['\u0000'],
  true,
  '\ud800',
]
const aList = fc.oneof({ weight: 3, arbitrary: fc.subarray(NAMES) }, { weight: 1, arbitrary: fc.constantFrom(...oddities) })
const anEntry = fc.record({
  userid: fc.constantFrom(...NAMES, ...oddities),
  code: fc.constantFrom<unknown>('143105', 143106, null, {}),
  count: fc.constantFrom<unknown>(500, '1', -1, null),
})
const aSendResult = fc.record(
  {
    read_user_id_list: aList,
    unread_user_id_list: aList,
    failed_user_id_list: aList,
    invalid_user_id_list: aList,
    forbidden_user_id_list: aList,
    forbidden_list: fc.oneof(fc.array(anEntry, { maxLength: 3 }), fc.constantFrom(...oddities)),
  },
  { requiredKeys: [] },
)
const aCode = fc.constantFrom<unknown>(
  0,
  0,
  0,
  0,
  '0',
  88,
  -1,
  15,
  500,
  40014,
  90018,
  90020,
  60011,
  41011,
  40096,
  12345678,
  null,
  {},
  'HTTP_502',
  40035,
  400002,
)
const aMessage = fc.constantFrom(
  '',
  'ok',
  'Call timeout',
  '[subcode=40014,submsg=x]',
  '限制将在 2026-11-23 12:00:00 结束',
  '限制将在 9999-12-31 23:59:59 结束',
)
const aBody: fc.Arbitrary<unknown> = fc.oneof(
  {
    weight: 30,
    arbitrary: fc.record({
      errcode: aCode,
      errmsg: aMessage,
      send_result: fc.oneof({ weight: 6, arbitrary: aSendResult }, fc.constantFrom(...oddities)),
    }),
  },
  { weight: 2, arbitrary: fc.constantFrom<unknown>('<html></html>', { status: 1111, wait: 5, source: 'x5', punish: 'deny' }, ...oddities) },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
  { weight: 1, arbitrary: fc.anything({ maxDepth: 2 }) },
)

interface Step {
  readonly body: unknown
  /** Negative: the clock stepped back, or the answer was held up. */
  readonly minutes: number
}

const aStep: fc.Arbitrary<Step> = fc.record({ body: aBody, minutes: fc.constantFrom(-5, 0, 0.5, 1, 2, 3, 10, 60, 60, 120) })
const aHistory = fc.record({
  steps: fc.array(aStep, { minLength: 50, maxLength: 50 }),
  userIds: fc.constantFrom(undefined, ['ann'], ['ann', 'bob', 'zed']),
  pollsPerTask: fc.constantFrom(1, 2, 24),
  timeScale: fc.constantFrom(1, 144, 1440),
  sentAtGiven: fc.boolean(),
})

const HISTORIES = 2_000

// Five seconds of work; a busy machine may take its time.
test('tens of thousands of answers of any kind: a plan for each, and no rule broken', { timeout: 300_000 }, () => {
  let answers = 0
  holds(
    fc.property(aHistory, ({ steps, userIds, pollsPerTask, timeScale, sentAtGiven }) => {
      const timing = buildTiming(pollsPerTask, timeScale)
      let task = aStartedTask({ ...(userIds === undefined ? {} : { userIds }), timing, sentAtGiven })
      let now = SENT
      for (const { body, minutes } of steps) {
        now = new Date(Math.max(SENT.getTime(), after(now, (minutes * 60_000) / timeScale).getTime()))
        const said = parseAnswer(body, exchangeAt(now))
        const plan = planPoll(task, said, 1, arrivalOf(now), timing)
        const next = afterwards(task, plan)
        const broken = brokenRules({ task, said, now: arrivalOf(now), plan, next, timing })
        if (broken.length > 0) throw new Error(broken.join('; '))
        task = next
        answers++
      }
    }),
    HISTORIES,
  )
  expect(answers).toBe(runs(HISTORIES) * 50)
})

interface Case {
  readonly task: StoredTask
  readonly said: Answer
  readonly now: Date
  readonly plan: WritePlan
  readonly next: StoredTask
  readonly timing: Timing
}

/** Names of the rules that a plan breaks. Plain comparisons: a hundred thousand times `expect` would take a minute. */
function brokenRules(c: Case): string[] {
  return RULES.filter(([, isKept]) => !isKept(c)).map(([name]) => name)
}

const RANK = ['pending', 'invalid', 'failed', 'forbidden', 'unread', 'read']
const isEnded = (task: Task): boolean => task.status !== 'tracking'
const ids = (rows: ReadonlyArray<{ readonly userId: string }>): string[] => rows.map(({ userId }) => userId)

function before({ task }: Case, userId: string): RecipientState {
  return task.recipients.find((recipient) => recipient.userId === userId)?.state ?? { kind: 'pending' }
}

const RULES: ReadonlyArray<readonly [string, (c: Case) => boolean]> = [
  ['a failed poll changes no person', ({ said, plan }) => said.kind === 'observed' || plan.changed.length + plan.transitions.length === 0],
  [
    'a failed poll moves no bracket',
    ({ said, task, next }) =>
      said.kind === 'observed' ||
      (next.lastGoodRequestedAt === task.lastGoodRequestedAt && JSON.stringify(next.recipients) === JSON.stringify(task.recipients)),
  ],
  ['counts sum to the number of known people', ({ plan, next }) => sum(plan) === next.recipients.length],
  [
    'counts are those of the people',
    ({ plan, next }) => next.recipients.filter(({ state }) => state.kind === 'unread').length === plan.task.counts.unread,
  ],
  ['transitions are of people who change', ({ plan }) => ids(plan.transitions).every((userId) => ids(plan.changed).includes(userId))],
  ['a transition changes the kind', ({ plan }) => plan.transitions.every(({ from, to }) => from !== to)],
  ['a change happens in time', ({ plan }) => plan.transitions.every(({ afterAt, at }) => afterAt === null || afterAt < at)],
  [
    'only an assumed send time leaves a change without a lower bound',
    ({ task, plan }) => !task.sentAtGiven || plan.transitions.every(({ afterAt }) => afterAt !== null),
  ],
  [
    'each changed recipient is written once, sorted',
    ({ plan }) => ids(plan.changed).every((userId, i, all) => i === 0 || all[i - 1]! < userId),
  ],
  ['no recipient is lost', ({ task, next }) => ids(task.recipients).every((userId) => ids(next.recipients).includes(userId))],
  [
    'kinds only climb',
    (c) => c.next.recipients.every(({ userId, state }) => RANK.indexOf(state.kind) >= RANK.indexOf(before(c, userId).kind)),
  ],
  [
    'the lower end of a bracket is below the upper',
    ({ next }) => next.recipients.every(({ state }) => state.kind !== 'read' || (state.lastUnreadAt ?? SENT) < state.firstReadAt),
  ],
  ['the poll is the next one', ({ task, plan }) => plan.expected.pollNo === task.pollNo && plan.poll.pollNo === task.pollNo + 1],
  ['the task ends or goes on', ({ plan, next }) => (plan.next.kind === 'done') === isEnded(next)],
  ['the row knows the next poll', ({ plan }) => plan.task.nextPollAt === (plan.next.kind === 'done' ? null : plan.next.until.at)],
  [
    'the next poll lies ahead, at the deadline at the latest',
    ({ plan, task, now }) =>
      plan.next.kind === 'done' ||
      plan.next.until.at.getTime() === task.deadlineAt.getTime() ||
      (plan.next.until.at > now && plan.next.until.at < task.deadlineAt),
  ],
  [
    'not complete with anybody pending or unread',
    ({ task, plan }) => isEnded(task) || plan.task.status !== 'complete' || plan.task.counts.pending + plan.task.counts.unread === 0,
  ],
  ['not complete without recipients', ({ plan }) => plan.task.status !== 'complete' || sum(plan) > 0],
  [
    'with unknown recipients not complete before the list has settled',
    ({ task, plan, timing }) =>
      isEnded(task) ||
      task.recipientsKnown ||
      plan.task.status !== 'complete' ||
      (task.listedSince !== null &&
        plan.poll.requestedAt.getTime() - task.listedSince.getTime() >= timing.settleMs &&
        task.listedFingerprint === plan.task.listedFingerprint),
  ],
  ['an ended task stays as it ended', ({ task, next }) => !isEnded(task) || (next.status === task.status && next.reason === task.reason)],
  ['an end has a reason, and nothing else has', ({ next }) => isEnded(next) === (next.reason !== null)],
  [
    'inside its window an answer ends a task only because all recipients are accounted for',
    ({ next }) => !isEnded(next) || next.status === 'complete',
  ],
  ['a failed poll ends nothing', ({ said, task, next }) => said.kind === 'observed' || next.status === task.status],
  ['a failed poll leaves a problem, a successful one none', ({ said, next }) => (next.problem === null) === (said.kind === 'observed')],
  ['the call is counted', ({ task, plan }) => plan.task.calls === task.calls + 1],
  [
    'a task that has used up its calls is not polled before its final poll',
    ({ task, now, plan, timing }) =>
      plan.next.kind === 'done' ||
      plan.task.calls < timing.maxCalls - timing.finalCalls ||
      plan.next.until.at >= finalAtOf(task, timing) ||
      now >= finalAtOf(task, timing),
  ],
  [
    'nothing delays a task past its final poll',
    ({ task, now, plan, timing }) =>
      plan.next.kind === 'done' || now >= finalAtOf(task, timing) || plan.next.until.at <= finalAtOf(task, timing),
  ],
  [
    'no scope beyond the task is reported without the agreement of two tasks, but limits that DingTalk states',
    ({ plan: { evidence } }) =>
      (evidence.kind !== 'app' && evidence.kind !== 'pair') ||
      evidence.agreement.tasks >= 2 ||
      ['rate_limit', 'quota'].includes(evidence.problem.code),
  ],
]

function finalAtOf({ key, deadlineAt }: Task, timing: Timing): Date {
  return finalPollTime(deadlineAt, timing, jitterOf(key))
}

function sum(plan: WritePlan): number {
  return Object.values(plan.task.counts).reduce((total, count) => total + count, 0)
}

test('an unchanged poll changes no person: the same lists later leave nothing to write', () => {
  holds(
    fc.property(fc.array(aStep, { maxLength: 6 }), aSendResult, fc.integer({ min: 1, max: 100 }), (steps, sendResult, wait) => {
      const bodies = [...steps.map(({ body }) => body), { errcode: 0, send_result: { ...sendResult, seen: true } }]
      const task = afterPolls(
        aStartedTask({}),
        bodies.map((body, i) => parseAnswer(body, exchangeAt(minutesLater(i)))),
      )
      const again = poll(task, parseAnswer(bodies.at(-1), exchangeAt(minutesLater(bodies.length + wait))))
      expect([again.changed, again.transitions]).toEqual([[], []])
    }),
    2_000,
  )
})

test('the same answer stored twice leaves what it left once', () => {
  holds(
    fc.property(fc.array(aStep, { minLength: 1, maxLength: 6 }), (steps) => {
      const answers = steps.map(({ body }, i) => parseAnswer(body, exchangeAt(minutesLater(i))))
      const once = afterPolls(aStartedTask({}), answers)
      expect(rowsOf(afterPolls(once, answers.slice(-1)))).toEqual(rowsOf(once))
    }),
    2_000,
  )
})

test('the outcome of a poll is one of those that the database knows', () => {
  const task = aStartedTask({})
  expect(OUTCOMES).toContain(planPoll(task, answer({ unread: ['ann'] }), 1, minutesLater(4), TIMING).poll.outcome)
})
