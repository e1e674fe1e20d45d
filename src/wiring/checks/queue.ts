import type { Finding } from '../../core/finding.ts'
import type { JobQueue } from '../../queue/connection.ts'
import { queueError } from '../../queue/errors.ts'
import { REPLICA, type RedisServer, readServer } from '../../queue/inspect.ts'
import { within } from '../within.ts'
import { advisory, Unwell, vital } from './check.ts'

const REMEDY = 'Check QUEUE_URL and the server.'

export interface QueueNeeds {
  readonly queue: Pick<JobQueue, 'count' | 'serverInfo'>
  readonly patienceMs: number
}

/** `queue`: it answers and takes writes. `queue memory`: it forgets no timer. Both from one answer of the server. */
export function queueChecks({ queue, patienceMs }: QueueNeeds): readonly [Promise<Finding>, Promise<Finding>] {
  const asked = within(patienceMs, queue.serverInfo()).then(readServer)
  // Each of the two says by itself what went wrong.
  asked.catch(() => undefined)
  return [queueCheck(queue, asked, patienceMs), memoryCheck(asked)]
}

type Asked = Promise<RedisServer | null>

function queueCheck(queue: QueueNeeds['queue'], asked: Asked, patienceMs: number): Promise<Finding> {
  return vital('queue', REMEDY, async () => {
    const waiting = await within(patienceMs, queue.count()).catch((error: unknown) => {
      throw queueError(error)
    })
    const server = await asked.catch(() => null)
    if (server?.isReplica === true) throw new Unwell(REPLICA.detail, REPLICA.remedy)
    return { detail: `answers; ${waiting} jobs wait or sleep` }
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
