import type { Answer, ListedState, Observation, TaskKey, TaskRow } from './delivery.ts'
import type { Digest } from './erasure.ts'

/**
 * Most answers are the same as the one before. A digest of that is kept in the task's row, so that the recipients are loaded only where an answer
 * differs. It is made of the answer with pseudonyms, and of one person it could be guessed: no view shows it, and it ends with the task.
 */

/** The answer with the digest of its lists. @param answer with pseudonyms for erased people */
export function withDigest(key: TaskKey, answer: Answer, digest: Digest): Answer {
  if (answer.kind !== 'observed') return answer
  return { kind: 'observed', observation: { ...answer.observation, digest: digestLists(key, answer.observation.people, digest) } }
}

/** Equal for equal lists in any order, and for no others. A poll has a hundred people: a list for each state costs a third of a text for each person. */
function digestLists({ app, taskId }: TaskKey, people: Observation['people'], digest: Digest): string {
  const listed: Record<Exclude<ListedState['kind'], 'forbidden'>, string[]> = { read: [], unread: [], failed: [], invalid: [] }
  const forbidden: string[] = []
  for (const [userId, state] of people) {
    if (state.kind === 'forbidden') forbidden.push(JSON.stringify([userId, state.code, state.count]))
    else listed[state.kind].push(userId)
  }
  const lists = [listed.read, listed.unread, listed.failed, listed.invalid, forbidden]
  for (const list of lists) list.sort()
  return digest(`${app} ${taskId} `, JSON.stringify(lists))
}

/**
 * What is stored after a poll with that answer. It names the number of successful polls and the latest erasure that was known: after another
 * successful poll, of any version, it does not hold, nor after an erasure, which may concern a person whom no list names.
 */
export function nextDigest({ goodPolls, erasureNo }: TaskRow, { digest }: Observation): string | null {
  return digest === undefined ? null : place(goodPolls + 1, erasureNo) + digest
}

function place(goodPolls: number, erasureNo: number): string {
  return `${goodPolls} ${erasureNo} `
}

/** False: what is stored is of another time, so the recipients are needed, whatever the next answer is. */
export function hasDigest({ answerDigest, goodPolls, erasureNo }: TaskRow): boolean {
  return answerDigest?.startsWith(place(goodPolls, erasureNo)) ?? false
}

/** The last successful poll had this answer, and it is not older: neither when it was requested nor when it arrived. */
export function isSameAnswer(task: TaskRow, { requestedAt, respondedAt, digest }: Observation): boolean {
  const { answerDigest, goodPolls, erasureNo, lastGoodRequestedAt, lastObservedAt } = task
  if (digest === undefined || answerDigest !== place(goodPolls, erasureNo) + digest) return false
  if (lastGoodRequestedAt === null || lastObservedAt === null) return false
  return requestedAt >= lastGoodRequestedAt && respondedAt >= lastObservedAt
}
