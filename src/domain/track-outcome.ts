import type { TaskKey, TaskStatus } from './delivery.ts'

/** Fields of a request that are compared with an existing task. */
export const COMPARED_FIELDS = ['agentId', 'userIds', 'campaign', 'sentAt'] as const
export type ComparedField = (typeof COMPARED_FIELDS)[number]

/**
 * The result of a request to track. A task that never had a successful poll takes newer data, and is polled at once. Any other task keeps its
 * data, because its polls were made with them.
 */
export interface TrackOutcome {
  readonly isNew: boolean
  readonly status: TaskStatus
  /** Fields that differ from the stored ones, and were not taken. */
  readonly conflict: readonly ComparedField[]
  /** Fields that differed, and were taken. */
  readonly updated: readonly ComparedField[]
  /** The stored fields, where there is a conflict. Recipients are counted, not named. */
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

/** The result of a request for sending code. Through a queue only the worker has the result: then all fields but the key are null. */
export interface TrackResult extends TaskKey {
  /** The task existed already. */
  readonly duplicate: boolean | null
  /**
   * Fields that differ from the stored ones and were not taken, because the task had a successful poll or has ended. Empty: none.
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
