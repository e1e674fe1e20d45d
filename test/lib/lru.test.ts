import { expect, test } from 'vitest'
import { createLru } from '../../src/lib/lru.ts'

test('what was not used for the longest time goes', () => {
  const lru = createLru<string, string>(2)
  const made: string[] = []
  const get = (key: string): string =>
    lru.get(key, () => {
      made.push(key)
      return `${key}${made.length}`
    })
  expect([get('a'), get('b'), get('a'), get('c'), get('a'), get('b')]).toEqual(['a1', 'b2', 'a1', 'c3', 'a1', 'b4'])
  expect(made).toEqual(['a', 'b', 'c', 'b'])
})

test('undefined is a value', () => {
  const lru = createLru<number, undefined>(1)
  let made = 0
  lru.get(1, () => void made++)
  lru.get(1, () => void made++)
  expect(made).toBe(1)
})
