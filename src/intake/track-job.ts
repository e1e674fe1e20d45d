import { QUERY_WINDOW_MS } from '../domain/delivery.ts'
import { CLOCK_SKEW_MS, EARLIEST_SEND } from '../domain/field-rules.ts'
import { parseTrackRequest, type TrackRequest } from './track-request.ts'

/**
 * The request of a job. Its sender was told that it is taken, so no clock that differs may refuse it now: a send time is judged by the clock
 * that stamped the job. Where that is ahead of ours, the send time is put right by the difference, and counts as assumed: nothing tells how much
 * of the difference it had.
 * @param job `timestamp`: when it was added, in epoch milliseconds by the sender's clock
 * @throws {InvalidInputError} as {@link parseTrackRequest}
 */
export function parseTrackJob(job: { readonly data: unknown; readonly timestamp: number }, now: Date): TrackRequest {
  const aheadMs = Number.isFinite(job.timestamp) ? Math.max(0, job.timestamp - now.getTime()) : 0
  const request = parseTrackRequest(job.data, new Date(now.getTime() + aheadMs))
  if (aheadMs <= CLOCK_SKEW_MS) return request.sentAt === null ? { ...request, assumedSentAt: addedAt(job.timestamp, now) } : request
  return { ...request, sentAt: null, assumedSentAt: request.sentAt === null ? now : corrected(request.sentAt, aheadMs, now) }
}

/** A send time that another clock stamped than the job is right as it is; one that cannot be right is none. */
function corrected(sentAt: Date, aheadMs: number, now: Date): Date {
  const back = new Date(sentAt.getTime() - aheadMs)
  const likely = [back, sentAt].find((at) => isInWindow(at, now))
  return likely ?? (back.getTime() >= EARLIEST_SEND ? back : now)
}

/** A job may wait for hours, so the time at which it was added is nearer to the send than ours. */
function addedAt(timestamp: number, now: Date): Date {
  const added = new Date(timestamp)
  return isInWindow(added, now) ? added : now
}

function isInWindow(at: Date, now: Date): boolean {
  const agoMs = now.getTime() - at.getTime()
  return agoMs >= 0 && agoMs <= QUERY_WINDOW_MS
}
