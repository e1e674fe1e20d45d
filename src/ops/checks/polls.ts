import type { Finding } from '../../lib/finding.ts'
import type { WorkerScope } from '../../polling/worker-scope.ts'
import type { WriteBreaker } from '../../polling/write-breaker.ts'
import { advisory, CheckFailed, seconds, vital } from './check.ts'

const WRITES_REMEDY =
  'See the role\'s rights ("dingtalk-delivery doctor"), the disk and the logs of PostgreSQL. No call is made until a write succeeds; the answers at hand are stored then.'

/** What polls bring is stored. A worker whose writes are refused makes no calls, since each of them is metered. */
export function writesCheck(writes: Pick<WriteBreaker, 'failing'>, now: Date): Promise<Finding> {
  return vital('writes', WRITES_REMEDY, async () => {
    const failing = writes.failing()
    if (failing === null) return { detail: 'what polls bring is stored' }
    const said = failing.error instanceof Error ? failing.error.message : String(failing.error)
    throw new CheckFailed(
      `The database has refused what polls brought for ${seconds(now.getTime() - failing.since.getTime())}: ${said}`,
      WRITES_REMEDY,
    )
  })
}

/** The apps that this worker cannot poll. Others may be able to, so it is no reason to stop it. */
export function appsCheck(worker: Pick<WorkerScope, 'problems'>): Promise<Finding> {
  return advisory('apps', async () => {
    const problems = Object.entries(worker.problems())
    if (problems.length === 0) return { detail: 'this worker polls all apps of its configuration' }
    const detail = problems
      .map(
        ([
          app,
          {
            code,
            detail: { said, message },
          },
        ]) => `${app}: ${code} (${said} ${message})`,
      )
      .join('; ')
    return {
      detail: `This worker leaves apps to others: ${detail}`,
      remedy: 'Compare its credentials, its outgoing address and its apps with those of the other workers.',
    }
  })
}
