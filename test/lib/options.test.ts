import { expect, test } from 'vitest'
import { assertOptions } from '../../src/lib/options.ts'

const check = (options: unknown) => () => assertOptions('createThing', options, ['a', 'b'])
const refusal = (message: string | RegExp): unknown =>
  expect.objectContaining({ code: 'INVALID_CONFIG', message: expect.stringMatching(message) })

test.each([{}, { a: 1 }, { a: undefined, b: null }, Object.create(null)])('an object with known names is accepted', (options) =>
  expect(check(options)).not.toThrow(),
)

test.each<[unknown, string]>([
  [undefined, 'not nothing'],
  [null, 'not null'],
  [5, 'not 5'],
  [7n, 'not 7'],
  [Number.NaN, 'not NaN'],
  [true, 'not true'],
  [() => 1, 'not function'],
  [Symbol('x'), 'not symbol'],
  [[], 'not a list'],
])('%o is refused with what is accepted', (options, says) => {
  expect(check(options)).toThrow(refusal(`^createThing takes an object with options, ${says}\\. Accepted: a, b\\.$`))
})

test('unknown names are refused, on one line of bounded length', () => {
  expect(check({ a: 1, c: 2, d: 3 })).toThrow(refusal(/^createThing has no options c, d\. Accepted: a, b\.$/))
  expect(check({ ['x\n'.repeat(1_000)]: 1 })).toThrow(refusal(/^[^\n]{1,260}$/))
})
