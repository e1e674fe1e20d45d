import type { StateKind } from '../domain/delivery.ts'
import { RANK } from '../domain/merge.ts'
import type { Look, PersonLook } from './rates.ts'

/** A person got to this state by the look of this number. */
export interface StateChange {
  readonly to: StateKind
  readonly pollNo: number
}

/**
 * What each look said about a person. A look that changed nothing leaves the person as the looks before it did: also a good one that
 * contradicts them, since states only climb.
 * @param looks of the task, oldest first
 * @param changes of the person, in any order
 */
export function whatLooksSaid(looks: readonly Look[], changes: readonly StateChange[]): PersonLook[] {
  return looks.map(({ pollNo, requestedAt, respondedAt, outcome, code, message }) => ({
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
