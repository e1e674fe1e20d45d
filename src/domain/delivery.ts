import type { Problem } from './problems.ts'
import type { DelayReason } from './reasons.ts'

/** The data types of the domain. The functions on them are in the other files of this folder. */

export const SECOND_MS = 1_000
export const MINUTE_MS = 60 * SECOND_MS
export const HOUR_MS = 60 * MINUTE_MS

/** DingTalk answers getsendresult for 24 hours after the send. Source: the API page, "Notes". */
export const QUERY_WINDOW_MS = 24 * HOUR_MS

/** DingTalk answers "Call timeout" for a task with more recipients. Source: the API page, "Notes". */
export const MAX_RECIPIENTS = 100

/** One sent work notification of one app. `taskId` is a Java `Long` in decimal digits, always text here: 2^53 is too small for it. */
export interface TaskKey {
  readonly app: string
  readonly taskId: string
}

export const STATES = ['pending', 'invalid', 'failed', 'forbidden', 'unread', 'read'] as const
export type StateKind = (typeof STATES)[number]

/** The state of one recipient. One that is not listed is `pending`: never delivered, never unread. */
export type RecipientState =
  | { readonly kind: 'pending' }
  | { readonly kind: 'invalid' }
  | { readonly kind: 'failed' }
  | Forbidden
  | Unread
  | Read

export interface Forbidden {
  readonly kind: 'forbidden'
  /** DingTalk's limit code such as `143105`; null when the answer has no reason. */
  readonly code: string | null
  /** The limit that was exceeded, as DingTalk counts it; null when the answer has none. */
  readonly count: number | null
}

export interface Unread {
  readonly kind: 'unread'
  /** When the request of the last successful poll was sent that listed the recipient as unread. */
  readonly lastUnreadAt: Date
  /** The task's last successful poll listed the recipient as unread. False after an answer without the recipient. */
  readonly listed: boolean
}

export interface Read {
  readonly kind: 'read'
  /** Lower end of the bracket, exclusive: the last request that was answered with "unread". Null: never listed as unread, so the send is the bound, if its time is known. */
  readonly lastUnreadAt: Date | null
  /** Upper end of the bracket, inclusive: the arrival of the first answer that listed the recipient as read. */
  readonly firstReadAt: Date
}

export interface Recipient {
  readonly userId: string
  readonly state: RecipientState
  /** Arrival of the first answer that listed the recipient in any list; null before. */
  readonly firstSeenAt: Date | null
}

export const STATUSES = ['tracking', 'complete', 'expired', 'stopped', 'cancelled'] as const
export type TaskStatus = (typeof STATUSES)[number]

/** Recipients by state. `delivered = read + unread`; `targeted` is the sum of all. */
export type Counts = Readonly<Record<StateKind, number>>

/**
 * When a task is polled: real milliseconds from the send, ascending, the final poll last. Null: an earlier version scheduled the task, and its plan
 * follows from the worker's settings.
 */
export type PollOffsets = readonly number[] | null

/** A task as it is stored between two polls, without its recipients. */
export interface TaskRow {
  readonly key: TaskKey
  /** Null: the app's own agent id is used. */
  readonly agentId: string | null
  readonly campaign: string | null
  readonly status: TaskStatus
  readonly sentAt: Date
  /** False: the sender gave no `sentAt`, and it is the time of the enqueue. Then it bounds no bracket. */
  readonly sentAtGiven: boolean
  /** `sentAt` + {@link QUERY_WINDOW_MS} (divided by the time scale). */
  readonly deadlineAt: Date
  /** The poll plan as it was stored when the task was scheduled. See `PollOffsets`. */
  readonly pollOffsetsMs: PollOffsets
  /** False: the monthly call budget had no call left for its final poll, so none is reserved. */
  readonly admitted: boolean
  /** The sender named the recipients, so all of them must be accounted for. */
  readonly recipientsKnown: boolean
  /** How many polls were stored. A write has the number that it expects; where another is stored, the write is too late. */
  readonly pollNo: number
  readonly nextPollAt: Date | null
  /** When the request of the last successful poll with a recipient was sent, and when its answer arrived. */
  readonly lastGoodRequestedAt: Date | null
  readonly lastObservedAt: Date | null
  /** Successful polls so far. */
  readonly goodPolls: number
  /** Failed polls since the last successful one. Rate limits are not counted, since they are not the task's fault. */
  readonly failuresInRow: number
  /** Calls of getsendresult so far, and those of the final poll among them. */
  readonly calls: number
  readonly finalCalls: number
  /** Why the task cannot be polled now; null after a successful poll. */
  readonly problem: TaskProblem | null
  /** Why the next poll is later than planned; null where it is not. */
  readonly delay: DelayReason | null
  /** Fingerprint of the recipients in the last successful poll, and the request time of the first poll in a row with the same ones. */
  readonly listedFingerprint: string | null
  readonly listedSince: Date | null
  /** The latest erasure of a person when the task was loaded; 0: none. A write is too late where a later one is stored. */
  readonly erasureNo: number
  /** Of the newest answer, if the same one again would change no recipient; else null. See `answer-digest.ts`. */
  readonly answerDigest: string | null
  readonly scopes: TaskScopes
}

export interface Task extends TaskRow {
  readonly recipients: readonly Recipient[]
}

/** A task whose recipients were not loaded: they are needed only where an answer differs from the one before. */
export interface BareTask extends TaskRow {
  readonly counts: Counts
}

export interface TaskProblem extends Problem {
  /** When the answer of the first failed poll with this problem arrived; where none did, when its request was sent. */
  readonly since: Date
  /** Failed polls in a row that were followed up with a probe. */
  readonly polls: number
}

/** The state of the scopes around a task when it was loaded. */
export interface TaskScopes {
  /** The agent id that the task is polled with; null: neither the task nor its app has one. */
  readonly agentId: string | null
  readonly app: ScopeState & {
    /** When all pauses of the app were last lifted by hand; null: never. */
    readonly resumedAt: Date | null
  }
  /** The app with this agent id. */
  readonly pair: ScopeState
}

export interface ScopeState {
  /** When the request of the latest successful poll in the scope was sent, to about a minute; null: there was none. */
  readonly lastGoodAt: Date | null
  readonly pause: ScopePause | null
  /** There were failed polls since the last success which count as evidence for a pause. */
  readonly hasWitness: boolean
}

export interface ScopePause {
  readonly problem: Problem
  /** When the next probe is due. */
  readonly until: Date
}

/** The content of a successful poll: the listed recipients, and when. */
export interface Observation {
  readonly requestedAt: Date
  readonly respondedAt: Date
  readonly requestId: string | null
  /** One state for each user id, by the precedence read > unread > forbidden > failed > invalid. */
  readonly people: ReadonlyMap<string, ListedState>
  /** Of the lists, see `withDigest`. Left out: none is stored. */
  readonly digest?: string
}

/** The state of one recipient in one answer. */
export type ListedState =
  | { readonly kind: 'read' }
  | { readonly kind: 'unread' }
  | Forbidden
  | { readonly kind: 'failed' }
  | { readonly kind: 'invalid' }

/** The result of one poll. */
export type Answer =
  | { readonly kind: 'observed'; readonly observation: Observation }
  /** errcode 0 but no lists (`send_result` missing, null or empty): no information, but no failure either. */
  | { readonly kind: 'empty'; readonly requestedAt: Date; readonly respondedAt: Date; readonly requestId: string | null }
  | Refusal

/** A failed poll. */
export interface Refusal {
  readonly kind: 'refused'
  readonly requestedAt: Date
  /** Null when no answer arrived. */
  readonly respondedAt: Date | null
  /** The effective code: DingTalk's, or one of the tracker's such as `HTTP_502`, `TIMEOUT`, `NOT_JSON`. */
  readonly code: string
  readonly message: string
  readonly requestId: string | null
  /** The region of DingTalk whose hosts were used although none was given. Left out where one was. */
  readonly assumedRegion?: 'intl' | 'cn' | undefined
}
