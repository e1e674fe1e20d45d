import { expect } from 'vitest'
import { type Recipient, STATES, type Task } from '../../../src/domain/delivery.ts'
import { RANK } from '../../../src/domain/merge.ts'
import type { WritePlan } from '../../../src/domain/plan.ts'

/**
 * What is wrong with a plan: what the core promises, and what the database would refuse. One row that it refuses fails every attempt to
 * store the poll, for ever.
 */
function faultsOf(task: Task, plan: WritePlan, after: Task): string[] {
  return [...faultsOfPeople(task, plan, after), ...faultsOfTimes(task, plan), ...faultsOfTexts(plan), ...faultsOfNumbers(plan)]
}

function faultsOfPeople(task: Task, plan: WritePlan, after: Task): string[] {
  const now = new Map(after.recipients.map((each) => [each.userId, each]))
  const entered = plan.transitions.map(({ userId, to }) => `${userId} ${to}`)
  return [
    ...task.recipients.flatMap((before) => (rankOf(now.get(before.userId)) < rankOf(before) ? [`${before.userId} went back`] : [])),
    ...STATES.filter((state) => plan.task.counts[state] !== after.recipients.filter((each) => each.state.kind === state).length).map(
      (state) => `the count of ${state} is not right`,
    ),
    ...plan.transitions.filter(({ from, to }) => RANK[to] <= RANK[from]).map(({ userId }) => `${userId} changes to no higher state`),
    ...(new Set(entered).size < entered.length ? ['a state is entered twice'] : []),
    ...(new Set(plan.changed.map(({ userId }) => userId)).size < plan.changed.length ? ['a person is written twice'] : []),
  ]
}

function rankOf(recipient: Recipient | undefined): number {
  return recipient === undefined ? -1 : RANK[recipient.state.kind]
}

function faultsOfTimes(task: Task, { poll, changed, transitions, task: update, evidence, next }: WritePlan): string[] {
  const isOpen = update.status === 'tracking'
  const brackets = changed.flatMap(({ state }) => (state.kind === 'read' ? [state] : []))
  const times = [
    poll.requestedAt,
    poll.respondedAt,
    update.nextPollAt,
    update.lastGoodRequestedAt,
    update.lastObservedAt,
    update.listedSince,
    update.problem?.since ?? null,
    'until' in evidence ? evidence.until : null,
    ...transitions.flatMap(({ afterAt, at }) => [afterAt, at]),
    ...changed.flatMap(({ firstSeenAt }) => [firstSeenAt]),
    ...brackets.flatMap(({ lastUnreadAt, firstReadAt }) => [lastUnreadAt, firstReadAt]),
  ]
  return [
    ...(isOpen === (update.nextPollAt !== null) && isOpen === (next.kind === 'snooze') ? [] : ['open, and no next poll; or the reverse']),
    ...(update.nextPollAt !== null && update.nextPollAt > task.deadlineAt ? ['the next poll is after the deadline'] : []),
    ...brackets
      .filter(({ lastUnreadAt, firstReadAt }) => lastUnreadAt !== null && lastUnreadAt >= firstReadAt)
      .map(() => 'a bracket ends before it begins'),
    ...times.filter((at) => at !== null && !isStorable(at)).map((at) => `${String(at)} is no time of PostgreSQL`),
  ]
}

/** The years that both write with four digits. */
function isStorable(at: Date): boolean {
  return at.getUTCFullYear() >= 2000 && at.getUTCFullYear() <= 2100
}

/** A key of an index takes 2,704 bytes at most; a letter is three of UTF-8, and an emoji, which is two units, four. */
const MAX_KEY_UNITS = 256

function faultsOfTexts({ poll, changed, transitions, task }: WritePlan): string[] {
  const texts: ReadonlyArray<readonly [text: string | null, longest: number]> = [
    [poll.code, 64],
    [poll.message, 300],
    [poll.requestId, 64],
    ...Object.values(task.problem?.detail ?? {}).map((text) => [text, 300] as const),
    [task.listedFingerprint, 64],
    ...transitions.map(({ userId }) => [userId, MAX_KEY_UNITS] as const),
    ...changed.map(({ userId }) => [userId, MAX_KEY_UNITS] as const),
    ...changed.map(({ state }) => [state.kind === 'forbidden' ? state.code : null, MAX_KEY_UNITS] as const),
  ]
  return texts
    .filter(([text, longest]) => text !== null && (!text.isWellFormed() || text.includes('\u0000') || text.length > longest))
    .map(([text]) => `PostgreSQL takes no ${JSON.stringify(text)?.slice(0, 60)}`)
}

function faultsOfNumbers({ poll, changed, task }: WritePlan): string[] {
  const numbers = [
    poll.pollNo,
    poll.anomalies,
    task.goodPolls,
    task.failuresInRow,
    task.calls,
    task.finalCalls,
    task.problem?.polls ?? 0,
    ...Object.values(task.counts),
    ...changed.map(({ state }) => (state.kind === 'forbidden' ? (state.count ?? 0) : 0)),
  ]
  return numbers.filter((each) => !Number.isInteger(each) || each < 0 || each >= 2 ** 31).map((each) => `${each} is no count`)
}

export function expectSound(task: Task, plan: WritePlan, after: Task, said: unknown): void {
  const faults = faultsOf(task, plan, after)
  if (faults.length > 0) expect.fail(`${faults.join('; ')}, after the answer ${JSON.stringify(said)?.slice(0, 2_000)}`)
}
