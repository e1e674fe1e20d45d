import { HOUR_MS, MINUTE_MS, type RecipientState, SECOND_MS } from '../../../src/domain/delivery.ts'
import { finalPollTime, jitterOf, pollTimes } from '../../../src/domain/poll-times.ts'
import { PROBLEM_RULES, type ProblemCode, toProblemCode } from '../../../src/domain/problems.ts'
import type { EndCode } from '../../../src/domain/reasons.ts'
import type { StoredTask } from '../../support/memory-store.ts'
import { type AppSpec, agentIdOf, atMinute, type Day, type Fault, forgottenAt, type PersonSpec, WRONG_AGENT } from './day.ts'
import { type Received, tokenFaultAt } from './dingtalk.ts'
import { type FaultEnd, monthOf, nameOf, type Outcome, type TaskOutcome, TIMING } from './simulation.ts'

/** What a day must hold, by name; each says what broke it. */
const RULES: Readonly<Record<string, (outcome: Outcome) => readonly string[]>> = {
  'no poll rejects': ({ errors }) => errors.map((error) => (error instanceof Error ? (error.stack ?? error.message) : String(error))),
  'a task ends inside its window only when all recipients are accounted for or it is cancelled, and at the deadline it ends': endsInTime,
  'the reason of an end fits what happened': reasonsFit,
  'never more calls count than the budget has': ({ ledger }) => ledger.overspent,
  'the calls that count are those that DingTalk received and counts': countedAsReceived,
  'the calls of a task are those that DingTalk received for it, and not more than its cap': callsOfTasks,
  'a task that never had a successful poll, and was refused for its own sake, is polled five times at most': fiveCallsAtMost,
  'every task for which there was budget has its final poll': finalPolls,
  'a task outside every fault loses no poll': healthyTasksLoseNothing,
  'what a fault kept from being polled is polled soon after its end': heals,
  'no recipient leaves "read", and a true read lies in its bracket': bracketsHold,
}

/** By rule: what broke it; nothing where all hold. */
export function brokenRules(outcome: Outcome): Record<string, readonly string[]> {
  const results = Object.entries(RULES).map(([name, rule]) => [name, rule(outcome)] as const)
  return Object.fromEntries(results.filter(([, problems]) => problems.length > 0))
}

const iso = (time: Date | null): string => time?.toISOString() ?? 'never'
const later = (time: Date, ms: number): Date => new Date(time.getTime() + ms)
const about = (tasks: readonly TaskOutcome[], rule: (task: TaskOutcome) => readonly string[]): string[] =>
  tasks.flatMap((task) => rule(task).map((text) => `${nameOf(task.spec.key)}: ${text}`))

const finalAt = ({ stored }: TaskOutcome): Date => finalPollTime(stored.deadlineAt, TIMING, jitterOf(stored.key))
const receivedFor = ({ received }: Outcome, { spec }: TaskOutcome): Received[] =>
  received.filter(({ key }) => nameOf(key) === nameOf(spec.key))
const successes = ({ polls }: TaskOutcome): Date[] =>
  polls.filter(({ outcome }) => outcome === 'observed').map(({ requestedAt }) => requestedAt)

function endsInTime({ tasks }: Outcome): string[] {
  return about(tasks, ({ stored, endedAt, enqueuedAt }) => {
    const { status, deadlineAt } = stored
    if (endedAt === null) return [`is still ${status}`]
    const latest = later(deadlineAt > enqueuedAt ? deadlineAt : enqueuedAt, 30 * SECOND_MS)
    if (endedAt > latest) return [`ended at ${iso(endedAt)}, its deadline was ${iso(deadlineAt)}`]
    const isEarly = endedAt < deadlineAt && status !== 'complete' && status !== 'cancelled'
    return isEarly ? [`is ${status} since ${iso(endedAt)}, its deadline is ${iso(deadlineAt)}`] : []
  })
}

function reasonsFit(outcome: Outcome): string[] {
  return about(outcome.tasks, (task) => {
    const { status, reason, goodPolls } = task.stored
    if (reason === null) return ['ended without a reason']
    const end = ENDS.get(reason.code) ?? REFUSED
    if (status === end.status && end.fits(task, receivedFor(outcome, task), outcome)) return []
    const codes = receivedFor(outcome, task).map(({ code }) => code)
    return [`${status} with ${JSON.stringify(reason)}, ${goodPolls} successful polls, calls ${codes.join()}`]
  })
}

interface End {
  readonly status: StoredTask['status']
  fits(task: TaskOutcome, calls: readonly Received[], outcome: Outcome): boolean
}

/** No poll succeeded, and the worker had an answer of DingTalk, for the task or for a token, that says what the reason says. */
const REFUSED: End = {
  status: 'stopped',
  fits({ stored: { reason, goodPolls } }, calls, { day }) {
    const code = reason?.code === 'probably_too_many_recipients' ? 'call_timeout' : reason?.code
    const said = [...calls, ...day.faults.map((fault) => fault.said)].flatMap(
      ({ code: each, message }) => toProblemCode(each, message) ?? [],
    )
    return goodPolls === 0 && said.some((each) => each === code)
  },
}

const kindsOf = ({ stored }: TaskOutcome): ReadonlySet<string> => new Set(stored.recipients.map(({ state }) => state.kind))

/** By reason, other than a refusal: the status, and what must have happened. */
const ENDS: ReadonlyMap<string, End> = new Map<Exclude<EndCode, ProblemCode>, End>([
  ['all_read', { status: 'complete', fits: (task) => [...kindsOf(task)].join() === 'read' }],
  ['all_accounted_for', { status: 'complete', fits: (task) => !kindsOf(task).has('pending') && !kindsOf(task).has('unread') }],
  ['cancelled', { status: 'cancelled', fits: ({ spec }) => spec.cancelledMinute !== null }],
  [
    'window_over',
    {
      status: 'expired',
      fits: ({ stored }) => stored.lastObservedAt !== null && stored.lastObservedAt >= later(stored.deadlineAt, -12 * MINUTE_MS),
    },
  ],
  ['window_closed_early', { status: 'expired', fits: (task, calls) => successes(task).length > 0 && wasRefusedAsSaid(task, calls) }],
  ['blind_before_deadline', { status: 'expired', fits: (task) => successes(task).length > 0 }],
  ['never_observed', { status: 'expired', fits: (task) => successes(task).length === 0 }],
  ['sent_too_long_ago', { status: 'expired', fits: (_, calls) => calls.length === 0 }],
  ['probably_too_many_recipients', REFUSED],
])

function wasRefusedAsSaid({ stored: { reason } }: TaskOutcome, calls: readonly Received[]): boolean {
  if (reason?.code !== 'window_closed_early') return false
  const { refusedSince, said } = reason.detail
  return calls.some(({ code, requestedAt }) => code === said && later(requestedAt, MINUTE_MS) >= new Date(refusedSince))
}

function countedAsReceived({ day, received, ledger }: Outcome): string[] {
  return day.apps.flatMap(({ name }) => {
    const calls = received.filter(({ key, isCounted }) => key.app === name && isCounted)
    const counted = [...(ledger.counted.get(name)?.values() ?? [])]
    const sum = counted.reduce((total, each) => total + each, 0)
    return sum === calls.length ? monthsDiffer(name, calls, ledger) : [`${name}: ${sum} count, ${calls.length} were received`]
  })
}

/** A call that was granted within moments of the turn of a month may be received in the other one. */
function monthsDiffer(app: string, calls: readonly Received[], { counted }: Outcome['ledger']): string[] {
  return [...(counted.get(app) ?? [])].flatMap(([month, sum]) => {
    const slack = 5 * SECOND_MS
    const surely = calls.filter((call) => [-slack, slack].every((ms) => monthOf(later(call.requestedAt, ms)) === month)).length
    const perhaps = calls.filter((call) => [-slack, slack].some((ms) => monthOf(later(call.requestedAt, ms)) === month)).length
    return sum >= surely && sum <= perhaps ? [] : [`${app} in ${month}: ${sum} count, ${surely} to ${perhaps} were received`]
  })
}

function callsOfTasks(outcome: Outcome): string[] {
  return about(outcome.tasks, (task) => {
    const { length } = receivedFor(outcome, task)
    if (task.stored.calls !== length) return [`${task.stored.calls} calls stored, ${length} received`]
    const recorded = task.polls.reduce((sum, { calls }) => sum + calls, 0)
    if (recorded !== length) return [`${recorded} calls recorded with its polls, ${length} received`]
    return length > TIMING.maxCalls ? [`${length} calls, the cap is ${TIMING.maxCalls}`] : []
  })
}

/** That a poll succeeded where polls were paused is news: it brings forward what was refused before, which costs a call each time. */
function fiveCallsAtMost(outcome: Outcome): string[] {
  return about(outcome.tasks, (task) => {
    const calls = receivedFor(outcome, task)
    const isOwn = ({ code, message }: Received): boolean => {
      const problem = toProblemCode(code, message)
      return problem !== null && ['task', 'pair'].includes(PROBLEM_RULES[problem].scope)
    }
    const most = 5 + outcome.recoveries.filter((app) => app === task.spec.key.app).length
    return calls.length > most && calls.every(isOwn)
      ? [`${calls.length} calls at ${calls.map((call) => iso(call.requestedAt)).join()}`]
      : []
  })
}

/** As long as this one worker must be able to call before the deadline, so that a final poll is expected. */
const REACHABLE_MS = 90 * SECOND_MS

function finalPolls(outcome: Outcome): string[] {
  const { day, ledger, tasks } = outcome
  return day.apps.flatMap(({ name }) => {
    const missing = tasks.filter((task) => task.spec.key.app === name && hadToHaveFinalPoll(day, task) && !hasFinalCall(outcome, task))
    const excused = ledger.withoutBudget.get(name) ?? 0
    return missing.length <= excused
      ? []
      : [`${missing.map(({ spec }) => nameOf(spec.key)).join()} have no final poll, ${excused} had no budget`]
  })
}

/** A poll that is answered after the time of the final one is the final one. */
function hasFinalCall(outcome: Outcome, task: TaskOutcome): boolean {
  return receivedFor(outcome, task).some(({ requestedAt }) => requestedAt >= later(finalAt(task), -10 * SECOND_MS))
}

function hadToHaveFinalPoll(day: Day, task: TaskOutcome): boolean {
  const { stored, endedAt, enqueuedAt } = task
  if (agentIdOf(day, task.spec) === null || endedAt === null || endedAt < stored.deadlineAt) return false
  const from = later(enqueuedAt, 5 * SECOND_MS) > finalAt(task) ? later(enqueuedAt, 5 * SECOND_MS) : finalAt(task)
  return isReachable(day, stored.key.app, from, stored.deadlineAt)
}

/** Some worker has a token for {@link REACHABLE_MS} at a stretch. */
function isReachable(day: Day, app: string, from: Date, until: Date): boolean {
  return Array.from({ length: day.workers }, (_, worker) => worker).some((worker) => {
    let since: Date | null = null
    for (let time = from; time < until; time = later(time, SECOND_MS)) {
      since = tokenFaultAt(day, worker, app, time) === null ? (since ?? time) : null
      if (since !== null && time.getTime() - since.getTime() >= REACHABLE_MS) return true
    }
    return false
  })
}

/** Until a poll that was handed from a worker that cannot make it to one that can is made. */
const HANDOVER_MS = 45 * SECOND_MS

function healthyTasksLoseNothing(outcome: Outcome): string[] {
  return about(
    outcome.tasks.filter((task) => isOutsideEveryFault(outcome, task)),
    (task) => {
      const { stored, enqueuedAt, endedAt } = task
      const good = successes(task)
      const planned = pollTimes(stored, TIMING).map((poll) => poll.at)
      const lost = planned.filter((time) => {
        if (time <= enqueuedAt || endedAt === null || endedAt <= later(time, HANDOVER_MS)) return false
        // A planned poll that comes shortly after another is skipped.
        return !good.some((at) => at >= later(time, -TIMING.minGapMs - 5 * SECOND_MS) && at <= later(time, HANDOVER_MS))
      })
      return lost.map((time) => `the poll of ${iso(time)} was not made`)
    },
  )
}

/** No fault reaches it: not the task itself, its pair, its app or DingTalk; and there is always a worker that can poll it. */
function isOutsideEveryFault({ day, tasks }: Outcome, { spec, stored }: TaskOutcome): boolean {
  const app = day.apps.find(({ name }) => name === spec.key.app)
  const agentId = agentIdOf(day, spec)
  if (app === undefined || agentId === null || agentId === WRONG_AGENT) return false
  if (!isBudgetAmple(app, tasks)) return false
  if (forgottenAt(day, spec) < stored.deadlineAt) return false
  // Stray answers to two tasks may agree.
  const strays = day.faults.flatMap((fault) => (fault.scope === 'answer' && fault.key.app === app.name ? nameOf(fault.key) : []))
  if (new Set(strays).size > 1) return false
  const faulty = new Set(day.faults.flatMap((fault) => (fault.scope === 'worker' && fault.app === app.name ? [fault.worker] : [])))
  return faulty.size < day.workers && !day.faults.some((fault) => fault.scope !== 'worker' && affects(day, fault, spec))
}

/** Enough for all that its tasks may call. */
function isBudgetAmple({ name, monthlyBudget }: AppSpec, tasks: readonly TaskOutcome[]): boolean {
  const most = tasks.filter(({ spec: { key } }) => key.app === name).length * TIMING.maxCalls
  return monthlyBudget === null || monthlyBudget >= most
}

function affects(day: Day, fault: Fault, spec: TaskOutcome['spec']): boolean {
  switch (fault.scope) {
    case 'task':
    case 'answer':
      return nameOf(fault.key) === nameOf(spec.key)
    case 'pair':
      return fault.app === spec.key.app && fault.agentId === agentIdOf(day, spec)
    case 'worker':
    case 'app':
      return fault.app === spec.key.app
    case 'outage':
    case 'token outage':
      return true
    default:
      return fault satisfies never
  }
}

/** From the end of a fault to a success: the longest documented pause of a problem, and what comes on top of it (lease, spread, hand-over). */
const LONGEST_PROBE_MS = 4 * HOUR_MS
const ON_TOP_MS = 3 * MINUTE_MS

function heals(outcome: Outcome): string[] {
  return outcome.ends.flatMap((end) => end.tasks.flatMap((before) => healed(outcome, end, before)))
}

function healed(outcome: Outcome, end: FaultEnd, before: StoredTask): string[] {
  const { fault, at } = end
  const { day } = outcome
  const task = outcome.tasks.find(({ spec }) => nameOf(spec.key) === nameOf(before.key))
  if (task === undefined || !affects(day, fault, task.spec)) return []
  const due = later(at, boundOf(task, end, before))
  const isByFinal = due > finalAt(task)
  const until = isByFinal ? task.stored.deadlineAt : due
  // Near the deadline there is no time left; other faults go on; what the budget does not allow is another rule's.
  if (later(at, 10 * MINUTE_MS) > task.stored.deadlineAt || !isAllWell(outcome, task, at, until)) return []
  const ended = task.endedAt !== null && task.endedAt < until
  if (ended || successes(task).some((time) => time >= later(at, -5 * SECOND_MS) && time <= until)) return []
  return [`${nameOf(before.key)}: no success from ${iso(at)}, when ${JSON.stringify(fault)} ended, to ${iso(until)}`]
}

/** Longer than any window. */
const NEVER_MS = 48 * HOUR_MS

function longestProbeMs(problem: ProblemCode | null): number {
  const { probeMinutes, firstProbeMinutes } = PROBLEM_RULES[problem ?? 'unknown_code']
  return Math.max(0, ...probeMinutes, ...firstProbeMinutes) * MINUTE_MS
}

/** How soon a task has to be polled again. */
function boundOf(task: TaskOutcome, { fault, at }: FaultEnd, before: StoredTask): number {
  const next = pollTimes(task.stored, TIMING).find((poll) => poll.at > later(at, TIMING.minGapMs))
  const plannedMs = next === undefined ? NEVER_MS : next.at.getTime() - at.getTime()
  // A poll that is under way takes two calls at most.
  const isUsedUp = before.calls + 2 >= TIMING.maxCalls - TIMING.finalCalls
  if (isUsedUp) return NEVER_MS
  // A pause is lifted by whichever task probes it, and that brings forward those that it delayed.
  if (before.delay?.code === 'paused' && before.problem === null) return longestProbeMs(before.delay.detail.problem) + ON_TOP_MS
  // The pause may outlast the fault until its next probe.
  if (before.problem === null && before.delay === null)
    return plannedMs + longestProbeMs(toProblemCode(fault.said.code, fault.said.message)) + ON_TOP_MS
  return before.goodPolls === 0 ? NEVER_MS : Math.max(LONGEST_PROBE_MS, plannedMs) + ON_TOP_MS
}

/** From `from` to `until` nothing else keeps the task from being polled. */
function isAllWell({ day, tasks }: Outcome, { spec, stored }: TaskOutcome, from: Date, until: Date): boolean {
  const agentId = agentIdOf(day, spec)
  const app = day.apps.find(({ name }) => name === spec.key.app)
  if (agentId === null || agentId === WRONG_AGENT || app === undefined || forgottenAt(day, spec) < until) return false
  if (!isBudgetAmple(app, tasks)) return false
  return (
    !day.faults.some((fault) => affects(day, fault, spec) && atMinute(day, fault.begin) < until && atMinute(day, fault.end) > from) &&
    stored.deadlineAt > from
  )
}

function bracketsHold(outcome: Outcome): string[] {
  const { day } = outcome
  return about(outcome.tasks, (task) => [
    ...task.transitions.filter(({ from }) => from === 'read').map(({ userId, to }) => `${userId} went from read to ${to}`),
    ...task.transitions.filter((each) => !isTrueTransition(each, day, task)).map((each) => `a transition: ${JSON.stringify(each)}`),
    ...task.stored.recipients.flatMap(({ userId, state }) => {
      const person = task.spec.people.find((each) => each.userId === userId)
      if (person === undefined) return [`${userId} is not in the task`]
      const readAt = readAtOf(day, task, person)
      return isTrue(state, person, readAt, task) ? [] : [`${userId} is ${JSON.stringify(state)}, the read was at ${iso(readAt)}`]
    }),
  ])
}

function readAtOf(day: Day, { spec }: TaskOutcome, { end, listedAfter, readAfter }: PersonSpec): Date | null {
  return end === 'reads' ? atMinute(day, spec.sentMinute + listedAfter + readAfter) : null
}

/** The true read lies in (afterAt, at]. */
function isTrueTransition({ userId, to, afterAt, at }: TaskOutcome['transitions'][number], day: Day, task: TaskOutcome): boolean {
  const person = task.spec.people.find((each) => each.userId === userId)
  if (to !== 'read' || person === undefined) return person !== undefined
  const readAt = readAtOf(day, task, person)
  return readAt !== null && (afterAt === null || afterAt < readAt) && readAt <= at
}

function isTrue(state: RecipientState, person: PersonSpec, readAt: Date | null, { stored }: TaskOutcome): boolean {
  switch (state.kind) {
    case 'read': {
      const from = state.lastUnreadAt ?? (stored.sentAtGiven ? stored.sentAt : null)
      return readAt !== null && (from === null || from < readAt) && readAt <= state.firstReadAt
    }
    case 'unread':
      return person.end === 'never reads' || (readAt !== null && state.lastUnreadAt < readAt)
    case 'pending':
      return true
    default:
      return person.end === state.kind
  }
}
