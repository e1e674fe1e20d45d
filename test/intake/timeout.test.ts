import { expect, test } from 'vitest'
import { SENDER_TIMEOUT_MS, sendTimeoutMs } from '../../src/intake/timeout.ts'

test('a sender is answered in under two seconds', () => {
  expect(sendTimeoutMs([{ userIds: null }])).toBe(SENDER_TIMEOUT_MS)
  expect(sendTimeoutMs([{ userIds: Array.from({ length: 100 }, (_, i) => `${i}`) }])).toBe(SENDER_TIMEOUT_MS)
  expect(SENDER_TIMEOUT_MS).toBeLessThan(2_000)
})

test('very many people take longer', () => {
  const hundred = Array.from({ length: 100 }, (_, i) => `${i}`)
  const requests = Array.from({ length: 300 }, () => ({ userIds: hundred }))
  expect(sendTimeoutMs(requests)).toBeGreaterThan(SENDER_TIMEOUT_MS)
})
