import type { TaskKey } from '../domain/delivery.ts'
import type { TrackRequest } from '../intake/track-request.ts'
import { outcomeOf, REFUSED, refusedInput, requestsAsJson, type TrackRow } from '../intake/track-rows.ts'
import type { Tracked } from '../polling/ports.ts'
import { driverErrorOf, retrying, sqlStateOf } from './database-errors.ts'
import type { PrismaClient } from './generated/client.ts'

export { byKey } from '../intake/track-rows.ts'

/**
 * Stores requests through the SQL function `delivery_track`, in one statement.
 * @throws {InvalidInputError} where the function refuses one: then nothing is stored
 */
export async function trackTasks(prisma: PrismaClient, requests: readonly TrackRequest[]): Promise<Tracked[]> {
  const rows = await retrying(
    () => prisma.$queryRaw<TrackRow[]>`/* track_tasks */
SELECT is_new, status, conflict, updated, stored FROM delivery_track(${requestsAsJson(requests)}::jsonb) ORDER BY place`,
  ).catch((error: unknown) => {
    throw sqlStateOf(error) === REFUSED ? refusedInput(driverErrorOf(error)) : error
  })
  return rows.flatMap((row, i) => {
    const request = requests[i]
    return request === undefined ? [] : [{ key: { app: request.app, taskId: request.taskId }, ...outcomeOf(row) }]
  })
}

/** An app's name holds no space. */
export function nameOf(key: TaskKey): string {
  return `${key.app} ${key.taskId}`
}
