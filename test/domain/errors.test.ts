import { expect, test } from 'vitest'
import {
  errorFacts,
  InvalidInputError,
  publicMessage,
  TRACKER_ERRORS,
  TrackerError,
  type TrackerErrorCode,
} from '../../src/domain/errors.ts'

/** Without a cast: `Object.keys` knows only text. */
const isCode = (text: string): text is TrackerErrorCode => Object.hasOwn(TRACKER_ERRORS, text)
const CODES = Object.keys(TRACKER_ERRORS).filter(isCode)

test('callers script against these codes and what they mean: none goes or changes', () => {
  expect(CODES.map((code) => [code, errorFacts(code).status, errorFacts(code).exitCode, errorFacts(code).retryable])).toEqual(
    expect.arrayContaining([
      ['INVALID_INPUT', 400, 1, false],
      ['TOO_MANY_RECIPIENTS', 400, 1, false],
      ['TASK_NOT_FOUND', 404, 1, false],
      ['CAMPAIGN_NOT_FOUND', 404, 1, false],
      ['RECIPIENT_NOT_FOUND', 404, 1, false],
      ['SEVERAL_APPS', 409, 1, false],
      ['TASK_ENDED', 409, 1, false],
      ['INVALID_CONFIG', 500, 1, false],
      ['EMBEDDED_UNAVAILABLE', 500, 1, false],
      ['QUEUE_UNAVAILABLE', 503, 1, true],
      ['DATABASE_UNAVAILABLE', 503, 1, true],
      ['SCHEMA_MISMATCH', 503, 1, false],
      ['NOT_PERMITTED', 503, 1, false],
      ['CLOSED', 503, 1, false],
    ]),
  )
})

test.each(CODES)('%s: an error of it says whether to try again', (code) => {
  expect(new TrackerError(code, 'what is wrong').retryable).toBe(errorFacts(code).retryable)
})

test('what may quote a driver is not told to callers over HTTP; what names a value of theirs is', () => {
  const message = 'password authentication failed for user "tracker" at 10.0.0.7'
  for (const code of CODES.filter((each) => errorFacts(each).status === 503))
    expect([code, publicMessage(new TrackerError(code, message))]).toEqual([code, expect.not.stringContaining('tracker')])
  expect(publicMessage(new InvalidInputError('taskId', 'taskId "x" is no number.'))).toBe('taskId "x" is no number.')
})
