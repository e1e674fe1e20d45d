import { expect, test } from 'vitest'
import { ERRORS, InvalidInputError, messageFor, TrackerError, type TrackerErrorCode, withRemedy } from '../../src/domain/errors.ts'

/** Without a cast: `Object.keys` gives text. */
const isCode = (text: string): text is TrackerErrorCode => Object.hasOwn(ERRORS, text)
const CODES = Object.keys(ERRORS).filter(isCode)

test('callers script against these codes and their meaning: none disappears or changes', () => {
  expect(CODES.map((code) => [code, ERRORS[code].status, ERRORS[code].retryable])).toEqual(
    expect.arrayContaining([
      ['INVALID_INPUT', 400, false],
      ['TOO_MANY_RECIPIENTS', 400, false],
      ['TASK_NOT_FOUND', 404, false],
      ['CAMPAIGN_NOT_FOUND', 404, false],
      ['RECIPIENT_NOT_FOUND', 404, false],
      ['SEVERAL_APPS', 409, false],
      ['TASK_ENDED', 409, false],
      ['INVALID_CONFIG', 500, false],
      ['EMBEDDED_UNAVAILABLE', 500, false],
      ['QUEUE_UNAVAILABLE', 503, true],
      ['DATABASE_UNAVAILABLE', 503, true],
      ['SCHEMA_MISMATCH', 503, false],
      ['NOT_PERMITTED', 503, false],
      ['CLOSED', 503, false],
    ]),
  )
})

test.each(CODES)('%s: an error says whether the same call may succeed later', (code) => {
  expect(new TrackerError(code, 'what is wrong').retryable).toBe(ERRORS[code].retryable)
})

test('HTTP answers hide a message that may quote a driver, and say what to do instead', () => {
  const message = 'password authentication failed for user "tracker" at 10.0.0.7'
  for (const code of CODES.filter((each) => ERRORS[each].status === 503)) {
    const { summary, remedy } = ERRORS[code]
    expect([code, messageFor(new TrackerError(code, message), 'http')]).toEqual([code, `${summary} ${remedy.http}`])
    expect(messageFor(new TrackerError(code, message), 'command')).toBe(message)
  }
  expect(messageFor(new InvalidInputError('taskId', 'taskId "x" is no number.'), 'http')).toBe('taskId "x" is no number.')
})

test('a remedy names what the interface has for it', () => {
  const error = new TrackerError('SEVERAL_APPS', 'Several apps have task 1: a, b.')
  expect(messageFor(error, 'http')).toBe('Several apps have task 1: a, b. Add ?app= with its name.')
  expect(withRemedy(error, 'command').message).toBe('Several apps have task 1: a, b. Say which one with --app.')
  const ended = new TrackerError('TASK_ENDED', 'Task 1 has ended already.')
  expect(withRemedy(ended, 'library')).toBe(ended)
})

/** The package is loaded several times in one process: as ES modules and as CommonJS, once for each test file of Jest, in two versions. */
test('instanceof knows the errors of another copy of the package, and each class its own', async () => {
  const copy = '../../src/domain/errors.ts?another-copy'
  const other: unknown = await import(copy)
  const { TrackerError: OtherError, InvalidInputError: OtherInput } = other as {
    TrackerError: typeof TrackerError
    InvalidInputError: typeof InvalidInputError
  }
  expect(OtherError).not.toBe(TrackerError)
  const [error, input] = [new OtherError('CLOSED', 'closed'), new OtherInput('taskId', 'wrong')]
  expect([error instanceof TrackerError, error instanceof InvalidInputError, error instanceof Error]).toEqual([true, false, true])
  expect([input instanceof TrackerError, input instanceof InvalidInputError]).toEqual([true, true])
  for (const value of [new Error('other'), { code: 'CLOSED' }, null, undefined, 'CLOSED'])
    expect([value instanceof TrackerError, value instanceof InvalidInputError]).toEqual([false, false])
})

test('a class that a caller derives has its own errors only', () => {
  class Derived extends TrackerError {}
  class DerivedInput extends InvalidInputError {}
  expect([new Derived('CLOSED', 'x') instanceof Derived, new Derived('CLOSED', 'x') instanceof TrackerError]).toEqual([true, true])
  expect(new TrackerError('CLOSED', 'x') instanceof Derived).toBe(false)
  expect([new DerivedInput('a', 'x') instanceof DerivedInput, new InvalidInputError('a', 'x') instanceof DerivedInput]).toEqual([
    true,
    false,
  ])
})
