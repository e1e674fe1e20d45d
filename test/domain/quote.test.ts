import fc from 'fast-check'
import { expect, test } from 'vitest'
import { describeKind, quote, truncate } from '../../src/domain/quote.ts'
import { holds } from './support.ts'

test.each([
  [undefined, 'nothing'],
  [null, 'null'],
  [Number.NaN, 'NaN'],
  [Number.NEGATIVE_INFINITY, '-Infinity'],
  [-0, '0'],
  [2n ** 64n, '18446744073709551616'],
  [true, 'true'],
  ['a\u0000\ud800"', String.raw`"a\u0000\ud800\""`],
  [Symbol('secret'), 'symbol'],
  [() => 'secret', 'function'],
  [new Date(0), '1970-01-01T00:00:00.000Z'],
  [new Date(Number.NaN), 'an invalid date'],
  [[1], 'a list'],
  [{ toJSON: 1 }, 'an object'],
  ['x'.repeat(78), `"${'x'.repeat(78)}"`],
  ['x'.repeat(79), `"${'x'.repeat(76)}…`],
  [10n ** 100n, `1${'0'.repeat(76)}…`],
])('%o is shown as %s', (value, shown) => expect(quote(value)).toBe(shown))

test('an emoji is shown whole or not at all', () => {
  expect(quote(`${'x'.repeat(75)}😀😀`)).toBe(`"${'x'.repeat(75)}…`)
  expect([truncate('a😀', 2), truncate('a😀', 3)]).toEqual(['a', 'a😀'])
})

test('any value is quoted on one line of at most 80 characters that every store can hold', () => {
  holds(
    fc.property(fc.anything({ withBigInt: true, withDate: true, withNullPrototype: true, withSparseArray: true }), (value) => {
      const shown = quote(value)
      expect([shown.length <= 80, shown.isWellFormed(), shown.includes('\u0000')]).toEqual([true, true, false])
    }),
  )
})

test.each<[unknown, string]>([
  [undefined, 'nothing'],
  [null, 'null'],
  ['', 'an empty text'],
  ['secret', 'a text'],
  [4711, 'a number'],
  [4711n, 'a bigint'],
  [false, 'false'],
  [Symbol('secret'), 'a symbol'],
  [() => 'secret', 'a function'],
  [['secret'], 'a list'],
  [{ secret: 1 }, 'an object'],
  [new Date(0), 'a date'],
])('the kind of %o tells nothing of what it holds', (value, kind) => expect(describeKind(value)).toBe(kind))
