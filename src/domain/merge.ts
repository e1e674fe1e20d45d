import type { Forbidden, ListedState, Observation, Recipient, RecipientState, StateKind, Unread } from './delivery.ts'

/**
 * Merging is a join on this chain: a state never becomes a lower one. Read is final, and an unread recipient has received the message, even if a
 * later answer contradicts it. So the same observation twice, or two in the wrong order, give the same row.
 */
export const RANK: Readonly<Record<StateKind, number>> = { pending: 0, invalid: 1, failed: 2, forbidden: 3, unread: 4, read: 5 }

/** What one observation changed of one recipient. */
export interface Merged {
  readonly recipient: Recipient
  /** The answer contradicts the stored state: it changes nothing and is counted. */
  readonly anomaly: boolean
}

/**
 * Joins the state in an observation with the stored state of one recipient.
 * @param listed null when no list of the answer has the recipient
 * @param newest no later successful poll of the task is stored; a late answer does not show that a recipient is still unread
 */
export function mergeRecipient(known: Recipient, listed: ListedState | null, poll: Observation, newest: boolean): Merged {
  if (listed === null) {
    const { state } = known
    // No longer listed: the last time at which the recipient was listed as unread stays.
    const kept = state.kind === 'unread' && state.listed && poll.requestedAt > state.lastUnreadAt
    return { recipient: kept ? { ...known, state: { ...state, listed: false } } : known, anomaly: false }
  }
  return {
    recipient: {
      userId: known.userId,
      firstSeenAt: earliest(known.firstSeenAt, poll.respondedAt),
      state: join(known.state, toRecipientState(listed, poll, newest)),
    },
    anomaly: RANK[listed.kind] < RANK[known.state.kind] && isContradiction(known.state, poll),
  }
}

/** An answer that is older than the read does not contradict it. */
function isContradiction(known: RecipientState, poll: Observation): boolean {
  return known.kind !== 'read' || poll.requestedAt >= known.firstReadAt
}

function toRecipientState(listed: ListedState, poll: Observation, newest: boolean): RecipientState {
  if (listed.kind === 'unread') return { kind: 'unread', lastUnreadAt: poll.requestedAt, listed: newest }
  if (listed.kind === 'read') return { kind: 'read', lastUnreadAt: null, firstReadAt: poll.respondedAt }
  return listed
}

/** The least upper bound of two states. */
export function join(a: RecipientState, b: RecipientState): RecipientState {
  if (a.kind === 'read' || b.kind === 'read') return joinRead(a, b)
  if (a.kind === 'unread' && b.kind === 'unread') return joinUnread(a, b)
  if (a.kind === 'forbidden' && b.kind === 'forbidden') return joinForbidden(a, b)
  return RANK[a.kind] >= RANK[b.kind] ? a : b
}

/** The bracket is the join of both: the earliest read, and the latest unread before it. */
function joinRead(a: RecipientState, b: RecipientState): RecipientState {
  const reads = [a, b].filter((state) => state.kind === 'read')
  const firstReadAt = new Date(Math.min(...reads.map((state) => state.firstReadAt.getTime())))
  const unreadAts = [a, b]
    .map((state) => (state.kind === 'read' || state.kind === 'unread' ? state.lastUnreadAt : null))
    .filter((at) => at !== null && at < firstReadAt)
  return { kind: 'read', firstReadAt, lastUnreadAt: unreadAts.reduce(latest, null) }
}

function joinUnread(a: Unread, b: Unread): Unread {
  if (a.lastUnreadAt.getTime() === b.lastUnreadAt.getTime()) return { ...a, listed: a.listed || b.listed }
  return a.lastUnreadAt > b.lastUnreadAt ? a : b
}

/** A reason replaces none; of two reasons the greater code wins, so that the order of the answers does not matter. */
export function joinForbidden(a: Forbidden, b: Forbidden): Forbidden {
  const [codeA, codeB] = [a.code ?? '', b.code ?? '']
  if (codeA === codeB) return (a.count ?? -1) >= (b.count ?? -1) ? a : b
  return codeA > codeB ? a : b
}

function earliest(a: Date | null, b: Date): Date {
  return a !== null && a <= b ? a : b
}

function latest(a: Date | null, b: Date | null): Date | null {
  if (a === null || b === null) return a ?? b
  return a >= b ? a : b
}
