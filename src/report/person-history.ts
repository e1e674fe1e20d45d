import type { StateKind } from '../domain/delivery.ts'
import { RANK } from '../domain/merge.ts'
import type { PersonPoll, Poll } from './rates.ts'

/** A person got to this state by the poll of this number. */
export interface StateChange {
  readonly to: StateKind
  readonly pollNo: number
}

/**
 * What each poll said about a person. A poll that changed nothing leaves the person as the polls before it did: also a good one that
 * contradicts them, since states only climb.
 * @param polls of the task, oldest first
 * @param changes of the person, in any order
 */
export function whatPollsSaid(polls: readonly Poll[], changes: readonly StateChange[]): PersonPoll[] {
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
