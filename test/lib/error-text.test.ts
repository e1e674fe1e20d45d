import { expect, test } from 'vitest'
import { errorText } from '../../src/lib/error-text.ts'

test('an error says its message, without user and password of an address in it', () => {
  expect(errorText(new Error('no way to redis://ann:hunter2@host:6379/0'))).toBe('no way to redis://***@host:6379/0')
  expect(errorText('just words')).toBe('just words')
})

test('an empty error says the first of its errors, or its code, or nothing', () => {
  expect(errorText(new AggregateError([new Error('refused'), new Error('unreachable')]))).toBe('refused')
  expect(errorText(Object.assign(new Error(''), { code: 'ECONNRESET' }))).toBe('ECONNRESET')
  expect(errorText(new AggregateError([]))).toBe('')
  expect(errorText(new Error(''))).toBe('')
})
