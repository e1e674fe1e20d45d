import { expect, test } from 'vitest'
import type { PollOutcome } from '../../src/domain/problems.ts'
import { whatPollsSaid } from '../../src/report/person-history.ts'
import { DEFAULT_PAGE, MAX_PAGE, type Poll } from '../../src/report/rates.ts'
import { arrivalOf, minutesLater } from '../domain/support.ts'

const nothing = { pending: null, invalid: null, failed: null, forbidden: null, unread: null, read: null }

function aLook(pollNo: number, outcome: PollOutcome = 'observed'): Poll {
  const requestedAt = minutesLater(3 * pollNo)
  const said = {
    respondedAt: arrivalOf(requestedAt),
    outcome,
    code: '0',
    message: null,
    requestId: null,
    problemCode: null,
    scope: null,
    calls: 1,
  }
  return { ...nothing, pollNo, dueAt: requestedAt, requestedAt, ...said, changed: 0, anomalies: 0 }
}

const statesOf = (...said: Parameters<typeof whatPollsSaid>) => whatPollsSaid(...said).map(({ state, isChange }) => [state, isChange])

test('a person is pending until a poll lists them, and then what the last change made of them', () => {
  const changes = [
    { to: 'unread', pollNo: 2 },
    { to: 'read', pollNo: 4 },
  ] as const
  expect(statesOf([aLook(1), aLook(2), aLook(3), aLook(4), aLook(5)], changes)).toEqual([
    ['pending', false],
    ['unread', true],
    ['unread', false],
    ['read', true],
    ['read', false],
  ])
})

test('the order of the changes does not matter: states only climb', () => {
  const changes = [
    { to: 'read', pollNo: 2 },
    { to: 'forbidden', pollNo: 1 },
  ] as const
  expect(statesOf([aLook(1), aLook(2)], changes)).toEqual([
    ['forbidden', true],
    ['read', true],
  ])
})

test('a failed poll is told as it was, and leaves the person as they were', () => {
  const failed = { ...aLook(2, 'transient'), respondedAt: null, code: 'TIMEOUT', message: 'no answer in 10 s' }
  expect(whatPollsSaid([aLook(1), failed], [{ to: 'unread', pollNo: 1 }])[1]).toEqual({
    pollNo: 2,
    requestedAt: minutesLater(6),
    respondedAt: null,
    outcome: 'transient',
    code: 'TIMEOUT',
    message: 'no answer in 10 s',
    state: 'unread',
    isChange: false,
  })
})

test('a task without polls has no history', () => {
  expect(whatPollsSaid([], [])).toEqual([])
})

test('a page has 100 rows if not said otherwise, and 1,000 at most', () => {
  expect([DEFAULT_PAGE, MAX_PAGE]).toEqual([100, 1_000])
})
