import { expect, test } from 'vitest'
import { COMPARED_FIELDS, trackResult } from '../../src/core/track-outcome.ts'
import { TRACK_FIELDS } from '../../src/core/track-rules.ts'

const KEY = { app: 'hr', taskId: '1' }

test('a result says what became of a request, without what is stored', () => {
  const outcome = { isNew: false, status: 'tracking', conflict: ['agentId'], updated: [], stored: null } as const
  expect(trackResult(KEY, outcome)).toEqual({ ...KEY, duplicate: true, conflict: ['agentId'], updated: [] })
  expect(trackResult(KEY, { ...outcome, isNew: true, conflict: [] })).toEqual({ ...KEY, duplicate: false, conflict: [], updated: [] })
})

test('of a request that a queue has taken nothing is known', () => {
  expect(trackResult(KEY, null)).toEqual({ ...KEY, duplicate: null, conflict: null, updated: null })
})

test('every field but the key is compared', () => {
  expect(new Set([...COMPARED_FIELDS, 'app', 'taskId'])).toEqual(new Set(TRACK_FIELDS))
})
