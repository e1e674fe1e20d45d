import type { TrackRequest } from './track-request.ts'

/** How long sending code waits. The promise is two seconds; the rest is for the way of the answer. */
export const SENDER_TIMEOUT_MS = 1_800

/** Tasks and people that a healthy server stores within that time: 10,000 were stored in 0.3 s. */
const PROMPT_ROWS = 10_000
/** For each further task and person. */
const MS_PER_ROW = 0.1

/** Milliseconds until sending code is answered: two seconds, and a second more for each 10,000 people beyond the first 10,000. */
export function sendTimeoutMs(requests: ReadonlyArray<Pick<TrackRequest, 'userIds'>>): number {
  const rows = requests.reduce((sum, { userIds }) => sum + 1 + (userIds?.length ?? 0), 0)
  return SENDER_TIMEOUT_MS + Math.max(0, rows - PROMPT_ROWS) * MS_PER_ROW
}
