import { expect, test } from 'vitest'
import { trackResult } from '../../src/domain/track-outcome.ts'
import { KEY } from './support.ts'

test('through a queue only the worker can know what became of a request', () => {
  expect(trackResult(KEY, null)).toEqual({ ...KEY, duplicate: null, conflict: null, updated: null })
})

test('a task that was there already is a duplicate, with what differs and what was taken', () => {
  const stored = { agentId: null, campaign: null, sentAt: '2026-11-23T01:00:00.000Z', userIds: 3 }
  const outcome = { isNew: false, status: 'tracking', conflict: ['userIds'], updated: [], stored } as const
  expect(trackResult(KEY, outcome)).toEqual({ ...KEY, duplicate: true, conflict: ['userIds'], updated: [] })
  expect(trackResult(KEY, { ...outcome, isNew: true, conflict: [], stored: null })).toMatchObject({ duplicate: false, conflict: [] })
})
