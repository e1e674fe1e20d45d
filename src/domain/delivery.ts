import type { Problem } from './problems.ts'
import type { DelayReason } from './reasons.ts'

/** The words of the domain. Everything here is data; what may be done with it is in the files beside. */

export const SECOND_MS = 1_000
export const MINUTE_MS = 60 * SECOND_MS
export const HOUR_MS = 60 * MINUTE_MS

/** DingTalk answers getsendresult for 24 hours after the send, then forgets. Source: the API page, "Notes". */
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

/** What is known about one person in one task. Not listed is `pending`: never delivered, never unread. */
export type RecipientState =
  | { readonly kind: 'pending' }
  | { readonly kind: 'invalid' }
  | { readonly kind: 'failed' }
  | Forbidden
  | Unread
  | Read

export interface Forbidden {
  readonly kind: 'forbidden'
  /** DingTalk's limit code such as `143105`; null when the answer named the person but no reason. */
  readonly code: string | null
  /** The limit that was exceeded, as DingTalk counts it; null when not said. */
  readonly count: number | null
}

export interface Unread {
  readonly kind: 'unread'
  /** When the request of the last successful poll that listed the person as unread was sent. */
  readonly lastUnreadAt: Date
  /** The task's last successful poll listed the person as unread; false once an answer left them out. */
  readonly listed: boolean
}

export interface Read {
  readonly kind: 'read'
  /** Lower end of the bracket, exclusive: the last request that was answered with "unread". Null: never seen unread, so the send is the bound, if its time is known. */
  readonly lastUnreadAt: Date | null
  /** Upper end of the bracket, inclusive: the arrival of the first answer that listed the person as read. */
  readonly firstReadAt: Date
}

export interface Recipient {
  readonly userId: string
  readonly state: RecipientState
  /** Arrival of the first answer that listed the person in any list; null while nobody has. */
  readonly firstSeenAt: Date | null
}

export const STATUSES = ['tracking', 'complete', 'expired', 'stopped', 'cancelled'] as const
export type TaskStatus = (typeof STATUSES)[number]

/** People by state. `delivered = read + unread`; the targeted are all of them together. */
export type Counts = Readonly<Record<StateKind, number>>

/** A task as the store holds it between two polls. */
export interface Task {
  readonly key: TaskKey
  /** Null: the app's own agent id is used. */
  readonly agentId: string | null
  readonly campaign: string | null
  readonly status: TaskStatus
  readonly sentAt: Date
  /** False: the sender left `sentAt` out, and the time of the enqueue stands for it. It bounds no bracket then. */
  readonly sentAtGiven: boolean
  /** `sentAt` + {@link QUERY_WINDOW_MS} (divided by the time scale). */
  readonly deadlineAt: Date
  /** The sender named the recipients, so every one of them must be accounted for. */
  readonly recipientsKnown: boolean
  /** How many polls were recorded. A write names the number it expects; another number means that it came too late. */
  readonly pollNo: number
  readonly nextPollAt: Date | null
  /** When the request of the last successful poll that listed anybody was sent, and when its answer arrived. */
  readonly lastGoodRequestedAt: Date | null
  readonly lastObservedAt: Date | null
  /** Successful polls so far. */
  readonly goodPolls: number
  /** Failed polls since the last successful one; rate limits are not counted, they are not the task's fault. */
  readonly failuresInRow: number
  /** Calls of getsendresult so far, and those of the final poll among them. */
  readonly calls: number
  readonly finalCalls: number
  /** Why the task cannot be polled now; null after a successful poll. */
  readonly problem: TaskProblem | null
  /** Why the next poll is later than planned; null where it is not. */
  readonly delay: DelayReason | null
  /** Fingerprint of the people listed by the last successful poll, and the request time of the first poll in a row that listed just them. */
  readonly listedFingerprint: string | null
  readonly listedSince: Date | null
  /** The latest erasure of a person that was known when the task was loaded; 0: none. A write that does not know of a later one changes nothing. */
  readonly erasureNo: number
  readonly recipients: readonly Recipient[]
  readonly scopes: TaskScopes
}

export interface TaskProblem extends Problem {
  /** When the answer of the first failed poll with this problem arrived; where none did, when its request was sent. */
  readonly since: Date
  /** Failed polls in a row with a problem of this kind. */
  readonly polls: number
}

/** What is known about the scopes around a task, as of when it was loaded. */
export interface TaskScopes {
  /** The agent id that the task is polled with; null: neither the task nor its app has one. */
  readonly agentId: string | null
  readonly app: ScopeState & {
    /** When somebody last lifted all pauses of the app; null: never. */
    readonly resumedAt: Date | null
  }
  /** The app with this agent id. */
  readonly pair: ScopeState
}

export interface ScopeState {
  /** When the request of a successful poll in the scope was sent, the latest within a minute; null: none was. */
  readonly lastGoodAt: Date | null
  readonly pause: ScopePause | null
  /** Failed polls since the last success may show the scope to be paused. */
  readonly hasWitness: boolean
}

export interface ScopePause {
  readonly problem: Problem
  /** When the next probe is due. */
  readonly until: Date
}

/** One good answer: who DingTalk lists, and when it was asked. */
export interface Observation {
  readonly requestedAt: Date
  readonly respondedAt: Date
  readonly requestId: string | null
  /** One state a person, by the precedence read > unread > forbidden > failed > invalid. */
  readonly people: ReadonlyMap<string, ListedState>
}

/** What one answer says about one person. */
export type ListedState =
  | { readonly kind: 'read' }
  | { readonly kind: 'unread' }
  | Forbidden
  | { readonly kind: 'failed' }
  | { readonly kind: 'invalid' }

/** What came back from DingTalk for one poll. */
export type Answer =
  | { readonly kind: 'observed'; readonly observation: Observation }
  /** errcode 0 but no lists (`send_result` missing, null or empty): no information, no failure. */
  | { readonly kind: 'empty'; readonly requestedAt: Date; readonly respondedAt: Date; readonly requestId: string | null }
  | Refusal

/** A poll that brought no lists. */
export interface Refusal {
  readonly kind: 'refused'
  readonly requestedAt: Date
  /** Null when no answer arrived. */
  readonly respondedAt: Date | null
  /** The effective code: DingTalk's, or one of ours such as `HTTP_502`, `TIMEOUT`, `NOT_JSON`. */
  readonly code: string
  readonly message: string
  readonly requestId: string | null
}
