import { z } from 'zod'
import { PROBLEM_CODES, type Problem, type ProblemCode, SCOPES } from '../domain/problems.ts'
import type { DelayReason } from '../domain/reasons.ts'
import { unexpected } from './rows.ts'

/** A `…_code` and its `…_detail` as the closed unions of the core: parsed where the row enters. */

const DETAIL = z.object({
  said: z.string(),
  message: z.string(),
  scope: z.enum(SCOPES),
  requestId: z.string().nullable(),
  agentId: z.string().nullable(),
  ip: z.string().nullable(),
})

const PAUSE = DETAIL.omit({ scope: true }).extend({
  scope: z.enum(['pair', 'worker', 'app']),
  problem: z.enum(PROBLEM_CODES),
  until: z.string(),
})

const DELAY = z.discriminatedUnion('code', [
  z.object({ code: z.literal('call_rate'), detail: z.null() }),
  z.object({
    code: z.literal('call_budget'),
    detail: z.object({ budget: z.number(), used: z.number(), reserved: z.number(), month: z.string() }),
  }),
  z.object({ code: z.literal('paused'), detail: PAUSE }),
  z.object({ code: z.literal('calls_used_up'), detail: z.object({ calls: z.number() }) }),
  z.object({ code: z.literal('write_refused'), detail: z.null() }),
  z.object({ code: z.literal('earlier_version'), detail: z.object({ text: z.string() }) }),
])

/** @throws Error where the columns hold something else */
export function problemFrom(code: string, detail: unknown): Problem {
  const parsed = DETAIL.safeParse(detail)
  return {
    code: problemCodeIn(code),
    detail: parsed.success ? parsed.data : unexpected('problem_detail', detail, 'the details of a problem'),
  }
}

function problemCodeIn(code: string): ProblemCode {
  return PROBLEM_CODES.find((known) => known === code) ?? unexpected('problem_code', code, PROBLEM_CODES.join(', '))
}

/** @throws Error where the columns hold something else */
export function delayFrom(code: string, detail: unknown): DelayReason {
  const parsed = DELAY.safeParse({ code, detail })
  return parsed.success ? parsed.data : unexpected('delay_code', code, 'a known reason with its details')
}
