import { QUERY_WINDOW_MS } from '../domain/delivery.ts'
import { CLOCK_SKEW_MS, EARLIEST_SEND } from '../domain/field-rules.ts'
import { parseTrackRequest, type TrackRequest } from './track-request.ts'

/**
 * The request of a job. Its sender has been answered already, so a clock that differs must not refuse it now: a send time is compared with the clock
 * that stamped the job. Where that clock is ahead of ours, the send time is corrected by the difference and counts as assumed, because it is not
 * known whether the send time has the same difference.
 * @param job `timestamp`: when it was added, in epoch milliseconds by the sender's clock
 * @throws {InvalidInputError} as {@link parseTrackRequest}
 */
export function parseTrackJob(job: { readonly data: unknown; readonly timestamp: number }, now: Date): TrackRequest {
  const aheadMs = Number.isFinite(job.timestamp) ? Math.max(0, job.timestamp - now.getTime()) : 0
  const request = parseTrackRequest(job.data, new Date(now.getTime() + aheadMs))
  if (aheadMs <= CLOCK_SKEW_MS) return request.sentAt === null ? { ...request, assumedSentAt: addedAt(job.timestamp, now) } : request
  return { ...request, sentAt: null, assumedSentAt: request.sentAt === null ? now : corrected(request.sentAt, aheadMs, now) }
}

/** The send time may come from another clock than the job, and be right as it is. One that cannot be right is not used. */
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
