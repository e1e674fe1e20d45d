import type { TaskKey, TaskStatus } from './delivery.ts'

/** Fields of a request that are compared with a task that is there already. */
export const COMPARED_FIELDS = ['agentId', 'userIds', 'campaign', 'sentAt'] as const
export type ComparedField = (typeof COMPARED_FIELDS)[number]

/**
 * What became of a request to track. A task that never had a successful poll takes what is newer, and is polled at once. Any other keeps what it
 * has: its polls were made with that.
 */
export interface TrackOutcome {
  readonly isNew: boolean
  readonly status: TaskStatus
  /** Fields that differ from what is stored, and were not taken. */
  readonly conflict: readonly ComparedField[]
  /** Fields that differed, and were taken. */
  readonly updated: readonly ComparedField[]
  /** What the task has, where there is a conflict. People are counted, not named. */
  readonly stored: StoredFields | null
}

export interface StoredFields {
  readonly agentId: string | null
  readonly campaign: string | null
  /** ISO 8601. */
  readonly sentAt: string
  /** How many recipients were named; null: none. */
  readonly userIds: number | null
}

/** What sending code learns of a request. Through a queue only the worker can know what became of it: then all but the key is null. */
export interface TrackResult extends TaskKey {
  /** The task was there already. */
  readonly duplicate: boolean | null
  /**
   * Fields that differ from what is stored and were not taken, because the task was polled with success before or has ended. Empty: none.
   * `agentId`, `userIds`, `campaign` or `sentAt`.
   */
  readonly conflict: readonly string[] | null
  /** Fields that differed and were taken, because no poll of the task has succeeded yet. It is polled at once. Empty: none. */
  readonly updated: readonly string[] | null
}

/** @param outcome null: the request was handed to a queue */
export function trackResult({ app, taskId }: TaskKey, outcome: TrackOutcome | null): TrackResult {
  if (outcome === null) return { app, taskId, duplicate: null, conflict: null, updated: null }
  return { app, taskId, duplicate: !outcome.isNew, conflict: outcome.conflict, updated: outcome.updated }
}
