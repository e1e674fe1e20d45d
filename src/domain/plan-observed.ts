import type { Counts, Observation, Recipient, Task } from './delivery.ts'
import { fingerprintOf } from './hash.ts'
import { mergeRecipient } from './merge.ts'
import { countsOf, exchangeOf, finish, unchanged } from './plan-finish.ts'
import type { Poll, TaskUpdate, Transition, WritePlan } from './plan-types.ts'
import type { Timing } from './poll-times.ts'
import type { EndReason } from './reasons.ts'

/** One person before and after a successful poll. */
interface Person {
  /** Undefined: this answer is the first that names the person. */
  readonly before: Recipient | undefined
  readonly after: Recipient
  readonly anomaly: boolean
}

/** What an answer with lists changes. */
export function planObserved(task: Task, seen: Observation, calls: number, now: Date, timing: Timing): WritePlan {
  const newest = task.lastGoodRequestedAt === null || seen.requestedAt >= task.lastGoodRequestedAt
  const people = mergePeople(task, seen, newest)
  const changed = people.filter(isChanged)
  const update: TaskUpdate = { ...updateOf(task, seen, newest), counts: countsOf(people.map((person) => person.after)) }
  // A late answer says nothing about what came after it, so its changes are known since the send only.
  const since = (newest ? task.lastGoodRequestedAt : null) ?? sendBound(task)
  return finish(task, now, timing, {
    poll: pollOf(seen, people, calls),
    changed: changed.map((person) => person.after),
    transitions: changed.flatMap((person) => transitionOf(person, sendBound(task), since, seen)),
    task: { ...update, ...endingOf(task.recipientsKnown, update, seen, timing) },
    report: { kind: 'good', requestedAt: seen.requestedAt },
    following: { kind: 'planned' },
  })
}

/** What bounds a change from below before any poll does: the send, where its time is known. An assumed send time bounds nothing. */
function sendBound(task: Task): Date | null {
  return task.sentAtGiven ? task.sentAt : null
}

/** Everybody who is known or named, sorted. */
function mergePeople(task: Task, seen: Observation, newest: boolean): Person[] {
  const known = new Map(task.recipients.map((recipient) => [recipient.userId, recipient]))
  return [...new Set([...known.keys(), ...seen.people.keys()])].sort(byCodeUnits).map((userId) => {
    const before = known.get(userId)
    const { recipient, anomaly } = mergeRecipient(before ?? newcomer(userId), seen.people.get(userId) ?? null, seen, newest)
    return { before, after: recipient, anomaly }
  })
}

function newcomer(userId: string): Recipient {
  return { userId, firstSeenAt: null, state: { kind: 'pending' } }
}

/** Code units, not a locale: every writer on every machine must sort alike, or writers can deadlock. */
function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : 1
}

function pollOf(seen: Observation, people: readonly Person[], calls: number): Omit<Poll, 'pollNo' | 'dueAt'> {
  const anomalies = people.filter((person) => person.anomaly).length
  return { ...exchangeOf(seen), outcome: 'observed', code: '0', message: null, anomalies, problemCode: null, scope: null, calls }
}

/**
 * Only an answer that is not older than the last good one moves what is known of the task as a whole. One that lists nobody although
 * somebody was unread is no witness that they still are: "unread as of" must not move with it.
 */
function updateOf(task: Task, seen: Observation, newest: boolean): Omit<TaskUpdate, 'counts'> {
  const good = { ...unchanged(task), goodPolls: task.goodPolls + 1, failuresInRow: 0, problem: null, delay: null }
  if (!newest) return good
  if (seen.people.size === 0 && task.recipients.some(({ state }) => state.kind === 'unread')) return { ...good, ...listedRun(task, seen) }
  return { ...good, lastGoodRequestedAt: seen.requestedAt, lastObservedAt: seen.respondedAt, ...listedRun(task, seen) }
}

/** Since when the answers list just these people. Nobody listed is no settled list. */
function listedRun(task: Task, seen: Observation): Pick<TaskUpdate, 'listedFingerprint' | 'listedSince'> {
  if (seen.people.size === 0) return { listedFingerprint: null, listedSince: null }
  const listedFingerprint = fingerprintOf(seen.people.keys())
  const same = task.listedFingerprint === listedFingerprint && task.listedSince !== null
  return { listedFingerprint, listedSince: same ? task.listedSince : seen.requestedAt }
}

/** Does the stored row change? An unread person listed again does not: the task's last successful poll says as of when. */
function isChanged({ before, after }: Person): boolean {
  if (before === undefined || timeOf(before.firstSeenAt) !== timeOf(after.firstSeenAt)) return true
  const [was, is] = [before.state, after.state]
  if (was.kind === 'unread' && is.kind === 'unread') {
    return was.listed !== is.listed || (!is.listed && timeOf(was.lastUnreadAt) !== timeOf(is.lastUnreadAt))
  }
  if (was.kind === 'read' && is.kind === 'read') {
    return timeOf(was.firstReadAt) !== timeOf(is.firstReadAt) || timeOf(was.lastUnreadAt) !== timeOf(is.lastUnreadAt)
  }
  if (was.kind === 'forbidden' && is.kind === 'forbidden') return was.code !== is.code || was.count !== is.count
  return was.kind !== is.kind
}

function timeOf(at: Date | null): number | null {
  return at?.getTime() ?? null
}

/** @param since after when a change other than a read must have happened */
function transitionOf({ before, after }: Person, sent: Date | null, since: Date | null, seen: Observation): Transition[] {
  const from = before?.state.kind ?? 'pending'
  const to = after.state.kind
  if (from === to) return []
  const afterAt = after.state.kind === 'read' ? (after.state.lastUnreadAt ?? sent) : since
  return [{ userId: after.userId, from, to, afterAt, at: seen.respondedAt }]
}

function endingOf(recipientsKnown: boolean, update: TaskUpdate, seen: Observation, timing: Timing): Partial<TaskUpdate> {
  if (!isAccountedFor(update.counts)) return {}
  if (!recipientsKnown && !isSettled(update, seen, timing)) return {}
  return { status: 'complete', reason: completeReason(update.counts) }
}

/** Nobody known at all is not everybody accounted for. */
function isAccountedFor(counts: Counts): boolean {
  const known = Object.values(counts).reduce((sum, count) => sum + count, 0)
  return known > 0 && counts.pending === 0 && counts.unread === 0
}

/** Where the sender named nobody the lists may still be filling, so they must have stayed the same for `settleMs`. */
function isSettled({ listedSince }: TaskUpdate, seen: Observation, timing: Timing): boolean {
  return listedSince !== null && seen.requestedAt.getTime() - listedSince.getTime() >= timing.settleMs
}

function completeReason(counts: Counts): EndReason {
  const unreachable = counts.failed + counts.forbidden + counts.invalid
  return unreachable === 0 ? { code: 'all_read', detail: null } : { code: 'all_accounted_for', detail: { read: counts.read, unreachable } }
}
