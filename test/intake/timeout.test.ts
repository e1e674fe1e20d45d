import { expect, test } from 'vitest'
import { patienceMsFor, SENDER_PATIENCE_MS } from '../../src/intake/timeout.ts'

test('a sender is answered in under two seconds', () => {
  expect(patienceMsFor([{ userIds: null }])).toBe(SENDER_PATIENCE_MS)
  expect(patienceMsFor([{ userIds: Array.from({ length: 100 }, (_, i) => `${i}`) }])).toBe(SENDER_PATIENCE_MS)
  expect(SENDER_PATIENCE_MS).toBeLessThan(2_000)
})

test('very many people take longer', () => {
  const hundred = Array.from({ length: 100 }, (_, i) => `${i}`)
  const requests = Array.from({ length: 300 }, () => ({ userIds: hundred }))
  expect(patienceMsFor(requests)).toBeGreaterThan(SENDER_PATIENCE_MS)
})
