import type { Finding } from '../../lib/finding.ts'
import { withTimeout } from '../../lib/timeout.ts'
import type { JobQueue } from '../../queue/connection.ts'
import { queueError } from '../../queue/errors.ts'
import { latestRefused, REPLICA, type RedisServer, readServers } from '../../queue/inspect.ts'
import { CheckFailed, required, warning } from './check.ts'

const REMEDY = 'Check QUEUE_URL and the server.'

export interface QueueNeeds {
  readonly queue: Pick<JobQueue, 'count' | 'serverInfo'>
  readonly timeoutMs: number
}

/** `queue`: it answers and accepts writes. `queue memory`: it drops no timer. Both come from one answer of the server. */
export function queueChecks({ queue, timeoutMs }: QueueNeeds): readonly [Promise<Finding>, Promise<Finding>] {
  const server = withTimeout(timeoutMs, queue.serverInfo()).then(readServers)
  // Both checks report a failure of it.
  server.catch(() => undefined)
  return [queueCheck(queue, server, timeoutMs), memoryCheck(server)]
}

function queueCheck(queue: QueueNeeds['queue'], reading: Promise<RedisServer | null>, timeoutMs: number): Promise<Finding> {
  return required('queue', REMEDY, async () => {
    const waiting = await withTimeout(timeoutMs, queue.count()).catch((error: unknown) => {
      throw queueError(error)
    })
    const server = await reading.catch(() => null)
    if (server?.isReplica === true) throw new CheckFailed(REPLICA.detail, REPLICA.remedy)
    return { detail: `answers; ${waiting} jobs wait or are delayed` }
  })
}

const REFUSED_REMEDY =
  'Correct what sends them and track their tasks again. They go by themselves after a week, or with queue.clean(0, 0, "failed") of BullMQ.'

/**
 * Jobs of senders that no worker can take: their tasks are not tracked.
 * @param showsReason false for probes, which need no login: a reason shows the value that was wrong
 */
export function refusedJobsCheck(
  { queue, timeoutMs }: { readonly queue: Pick<JobQueue, 'getFailedCount' | 'getRanges' | 'getJob'>; readonly timeoutMs: number },
  showsReason: boolean,
): Promise<Finding> {
  return warning('refused jobs', async () => {
    const timed = <T>(query: Promise<T>): Promise<T> =>
      withTimeout(timeoutMs, query).catch((error: unknown) => {
        throw queueError(error)
      })
    const count = await timed(queue.getFailedCount())
    if (count === 0) return { detail: 'none' }
    const detail = `${count} jobs were refused, so their tasks are not tracked`
    if (!showsReason) return { detail, remedy: `"npx dingtalk-delivery doctor" says why. ${REFUSED_REMEDY}` }
    const latest = await timed(latestRefused(queue))
    const example = latest === null ? '' : `. The latest, ${latest.id}: ${latest.reason}`
    return { detail: `${detail}${example}`, remedy: `They are in the state "failed" of the queue, each with its reason. ${REFUSED_REMEDY}` }
  })
}

function memoryCheck(reading: Promise<RedisServer | null>): Promise<Finding> {
  return warning('queue memory', async () => {
    const server = await reading.catch((error: unknown) => {
      throw queueError(error)
    })
    return server === null ? { detail: 'in PostgreSQL, which forgets no timer' } : server.memory
  })
}
