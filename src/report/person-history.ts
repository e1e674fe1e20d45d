import type { StateKind } from '../domain/delivery.ts'
import { RANK } from '../domain/merge.ts'
import type { PersonPoll, Poll } from './rates.ts'

/** The poll of this number changed the state of a person to `to`. */
export interface StateChange {
  readonly to: StateKind
  readonly pollNo: number
}

/**
 * The state of a person after each poll. A poll without a change keeps the state, also a successful one that contradicts it, since states
 * only climb.
 * @param polls of the task, oldest first
 * @param changes of the person, in any order
 */
export function buildPersonPolls(polls: readonly Poll[], changes: readonly StateChange[]): PersonPoll[] {
  return polls.map(({ pollNo, requestedAt, respondedAt, outcome, code, message }) => ({
    pollNo,
    requestedAt,
    respondedAt,
    outcome,
    code,
    message,
    state: highest(changes.filter((change) => change.pollNo <= pollNo)),
    isChange: changes.some((change) => change.pollNo === pollNo),
  }))
}

function highest(changes: readonly StateChange[]): StateKind {
  return changes.map(({ to }) => to).reduce((best, to) => (RANK[to] > RANK[best] ? to : best), 'pending')
}
