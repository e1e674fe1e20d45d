import { expect, test } from 'vitest'
import { callBudgetUsedUp, callsUsedUp } from '../../src/domain/reasons.ts'

test('why a poll is delayed is a code with what it needs for its text, and nothing else', () => {
  const permit = { kind: 'budget', until: new Date(), budget: 5_000, used: 4_990, reserved: 10, month: '2026-11' }
  expect(callBudgetUsedUp(permit)).toEqual({ code: 'call_budget', detail: { budget: 5_000, used: 4_990, reserved: 10, month: '2026-11' } })
  expect(callsUsedUp(30)).toEqual({ code: 'calls_used_up', detail: { calls: 30 } })
})
