import type { Finding } from '../../lib/finding.ts'
import { withTimeout } from '../../lib/timeout.ts'
import type { JobQueue } from '../../queue/connection.ts'
import { queueError } from '../../queue/errors.ts'
import { REPLICA, type RedisServer, readServer } from '../../queue/inspect.ts'
import { latestRefused } from '../../queue/refused-jobs.ts'
import { advisory, CheckFailed, vital } from './check.ts'

const REMEDY = 'Check QUEUE_URL and the server.'

export interface QueueNeeds {
  readonly queue: Pick<JobQueue, 'count' | 'serverInfo'>
  readonly timeoutMs: number
}

/** `queue`: it answers and takes writes. `queue memory`: it forgets no timer. Both from one answer of the server. */
export function queueChecks({ queue, timeoutMs }: QueueNeeds): readonly [Promise<Finding>, Promise<Finding>] {
  const asked = withTimeout(timeoutMs, queue.serverInfo()).then(readServer)
  // Each of the two says by itself what went wrong.
  asked.catch(() => undefined)
  return [queueCheck(queue, asked, timeoutMs), memoryCheck(asked)]
}

type Asked = Promise<RedisServer | null>

function queueCheck(queue: QueueNeeds['queue'], asked: Asked, timeoutMs: number): Promise<Finding> {
  return vital('queue', REMEDY, async () => {
    const waiting = await withTimeout(timeoutMs, queue.count()).catch((error: unknown) => {
      throw queueError(error)
    })
    const server = await asked.catch(() => null)
    if (server?.isReplica === true) throw new CheckFailed(REPLICA.detail, REPLICA.remedy)
    return { detail: `answers; ${waiting} jobs wait or sleep` }
  })
}

const REFUSED_REMEDY =
  'Correct what sends them and track their tasks again. They go by themselves after a week, or with queue.clean(0, 0, "failed") of BullMQ.'

/**
 * Jobs that senders added and no worker can take: their tasks are not tracked.
 * @param showsReason false: a prober is anybody, and a reason shows the value that was wrong
 */
export function refusedJobsCheck(
  { queue, timeoutMs }: { readonly queue: Pick<JobQueue, 'getFailedCount' | 'getRanges' | 'getJob'>; readonly timeoutMs: number },
  showsReason: boolean,
): Promise<Finding> {
  return advisory('refused jobs', async () => {
    const ask = <T>(question: Promise<T>): Promise<T> =>
      withTimeout(timeoutMs, question).catch((error: unknown) => {
        throw queueError(error)
      })
    const count = await ask(queue.getFailedCount())
    if (count === 0) return { detail: 'none' }
    const detail = `${count} jobs were refused, so their tasks are not tracked`
    if (!showsReason) return { detail, remedy: `"dingtalk-delivery doctor" says why. ${REFUSED_REMEDY}` }
    const latest = await ask(latestRefused(queue))
    const example = latest === null ? '' : `. The latest, ${latest.id}: ${latest.reason}`
    return { detail: `${detail}${example}`, remedy: `They are in the state "failed" of the queue, each with its reason. ${REFUSED_REMEDY}` }
  })
}

function memoryCheck(asked: Asked): Promise<Finding> {
  return advisory('queue memory', async () => {
    const server = await asked.catch((error: unknown) => {
      throw queueError(error)
    })
    return server === null ? { detail: 'in PostgreSQL, which forgets no timer' } : server.memory
  })
}
