import type { Answer, TaskKey } from '../domain/delivery.ts'
import { PROBLEM_RULES, TOKEN_REFUSED_CODE, toProblemCode } from '../domain/problems.ts'
import type { Permit, Permits } from './permits.ts'
import type { RateLimiter, SendResultApi } from './ports.ts'

/** What a task is asked for by hand. Nothing of the answer is stored, so a task that is tracked loses no poll and gains none. */
export interface ProbeQuery extends TaskKey {
  /** Null: the agent id of the app. */
  readonly agentId: string | null
}

export interface ProbeDeps {
  readonly api: SendResultApi
  /** The rate and the budget that the call counts in. Null: there is no database to count it in. */
  readonly counting: { readonly permits: Permits; readonly limiter: Pick<RateLimiter, 'refund'> } | null
}

export type Probe =
  /** `calls`: 0 where none was made, as without a token. `isCounted`: the call counts in the rate and the budget. */
  | { readonly kind: 'answered'; readonly answer: Answer; readonly calls: number; readonly isCounted: boolean }
  | { readonly kind: 'not permitted'; readonly permit: Exclude<Permit, { readonly kind: 'granted' }> }

/**
 * One real call of getsendresult at most, with a permit like that of any poll, which is given back where DingTalk does not count the call.
 * @param waiting aborted when there has been no permit for long enough; a call that was begun is not aborted by it
 * @throws `waiting`'s reason, and what the database throws
 */
export async function probe({ api, counting }: ProbeDeps, query: ProbeQuery, waiting: AbortSignal): Promise<Probe> {
  if (counting === null) return { kind: 'answered', ...(await callOnce(api, query)), isCounted: false }
  const request = { app: query.app, deadlineAt: new Date(), urgent: false, reserved: false, forced: false }
  const permit = await counting.permits.take(request, waiting)
  if (permit.kind !== 'granted') return { kind: 'not permitted', permit }
  const { answer, calls } = await callOnce(api, query)
  const isCounted = calls > 0 && isCountedByDingTalk(answer)
  if (!isCounted) await counting.limiter.refund(query.app, permit.month, 1)
  return { kind: 'answered', answer, calls, isCounted }
}

/** A refused token is not tried again with another: that would be a second call. */
async function callOnce(api: SendResultApi, query: ProbeQuery): Promise<{ readonly answer: Answer; readonly calls: number }> {
  let isTokenRefused = false
  const mayRepeat = (): Promise<boolean> => {
    isTokenRefused = true
    return Promise.resolve(false)
  }
  const { answer, calls } = await api.sendResult({ ...query, mayRepeat }, new AbortController().signal)
  return { answer: isTokenRefused && answer.kind === 'refused' ? { ...answer, code: TOKEN_REFUSED_CODE } : answer, calls }
}

function isCountedByDingTalk(answer: Answer): boolean {
  const problem = answer.kind === 'refused' ? toProblemCode(answer.code, answer.message) : null
  return problem === null || PROBLEM_RULES[problem].isCounted
}
