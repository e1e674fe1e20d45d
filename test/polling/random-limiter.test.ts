import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ScopeFailure } from '../../src/domain/plan-failed.ts'
import { toProblem } from '../../src/domain/problems.ts'
import type { RateLimiter, ScopeEvidence } from '../../src/polling/ports.ts'
import { createRateLimiter } from '../../src/store/rate-limiter.ts'
import { openTestStore, type TestStore } from '../store/support/database.ts'
import { createMemoryGate } from '../support/memory-store.ts'
import { runs } from '../support/runs.ts'

/** What the random days rely on: the limiter in memory decides as the SQL functions do. */

let db: TestStore
beforeAll(async () => {
  db = await openTestStore({ max: 4 })
})
afterAll(() => db.close())

const AGENT_ID = '100'
const HOUR_MS = 3_600_000
/** A wait that is over when it begins, so that the next probe is due. */
const OVER_MS = -1
const FROM = new Date('2026-11-23T01:00:00Z')

type Step =
  | {
      readonly does: 'fail'
      readonly taskId: string
      readonly code: string
      readonly kind: ScopeFailure['kind']
      readonly delayMs: number
      readonly polls: number
    }
  | { readonly does: 'good' }
  | { readonly does: 'claim' }
  | { readonly does: 'reserve'; readonly ordinary: number; readonly reserved: number; readonly forced: number }

const k = <const S extends string>(value: S) => fc.constant(value)

/** A pair has no limits. */
const WIDE = [
  { kind: 'app', code: '60011' },
  { kind: 'app', code: '90018' },
  { kind: 'pair', code: '41011' },
  { kind: 'pair', code: '400002' },
] as const

const aStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .record({
        ...{ does: k('fail'), taskId: fc.constantFrom('1', '2', '3'), what: fc.constantFrom(...WIDE) },
        ...{ delayMs: fc.constantFrom(HOUR_MS, OVER_MS), polls: fc.integer({ min: 1, max: 3 }) },
      })
      .map(({ what, ...step }) => ({ ...step, ...what })),
  },
  { weight: 1, arbitrary: fc.record({ does: k('good') }) },
  { weight: 2, arbitrary: fc.record({ does: k('claim') }) },
  {
    weight: 2,
    arbitrary: fc.record({ does: k('reserve'), ordinary: fc.nat({ max: 2 }), reserved: fc.nat({ max: 2 }), forced: fc.nat({ max: 1 }) }),
  },
)

/** What a limiter decides, without the times that it names. */
async function decided(limiter: RateLimiter & ScopeEvidence, app: string, step: Step, requestedAt: Date): Promise<unknown> {
  switch (step.does) {
    case 'fail': {
      const problem = toProblem({ code: step.code, message: 'no', requestId: null }, AGENT_ID)
      const agreement = { polls: step.polls, tasks: Math.min(2, step.polls) }
      const report = { kind: step.kind, problem, requestedAt, agreement, probeDelaysMs: [step.delayMs], until: null }
      return limiter.recordFailure({ app, taskId: step.taskId }, AGENT_ID, report)
    }
    case 'good':
      return limiter.recordSuccess({ app, taskId: '9' }, AGENT_ID, requestedAt)
    case 'claim':
      return limiter.claimProbe(app, AGENT_ID)
    case 'reserve': {
      const answer = await limiter.reserve(app, step, { callsPerSecond: 1_000, monthlyBudget: 6 })
      const calls = answer.kind === 'granted' ? [answer.ordinary, answer.reserved] : []
      return [answer.kind, ...calls, ...(answer.kind === 'paused' ? [answer.problem.code] : [])]
    }
    default:
      return step satisfies never
  }
}

test('the limiter in memory decides as the one on PostgreSQL, whatever comes in which order', async () => {
  const [memory, postgres] = [createMemoryGate(() => new Date()), createRateLimiter(db)]
  let day = 0
  await fc.assert(
    fc.asyncProperty(fc.array(aStep, { minLength: 1, maxLength: 14 }), async (steps) => {
      const app = `app${++day}`
      const both: Array<{ readonly inMemory: unknown; readonly inSql: unknown }> = []
      for (const [i, step] of steps.entries()) {
        const requestedAt = new Date(FROM.getTime() + i * 60_000)
        both.push({ inMemory: await decided(memory, app, step, requestedAt), inSql: await decided(postgres, app, step, requestedAt) })
      }
      expect(both.map(({ inMemory }) => inMemory)).toEqual(both.map(({ inSql }) => inSql))
    }),
    { numRuns: runs(150), seed: 20_261_130 },
  )
})
