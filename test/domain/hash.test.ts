import fc from 'fast-check'
import { expect, test } from 'vitest'
import { computeFingerprint, hash53, hashToUnit } from '../../src/domain/hash.ts'
import { holds } from './support.ts'

test('the hash is the published cyrb53, so that it is the same in every release', () => {
  expect([hash53(''), hash53('a'), hash53('revenge')]).toEqual([3338908027751811, 7929297801672961, 4051478007546757])
})

test('every text has a place in [0, 1)', () => {
  holds(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const unit = hashToUnit(text)
      expect(unit).toBeGreaterThanOrEqual(0)
      expect(unit).toBeLessThan(1)
      expect(hashToUnit(text)).toBe(unit)
    }),
  )
})

test('ten thousand task ids in a row are spread evenly', () => {
  const tenths = Array.from({ length: 10 }, () => 0)
  for (let id = 0; id < 10_000; id++) tenths[Math.floor(hashToUnit(`default ${256271667526 + id}`) * 10)]!++
  for (const count of tenths) expect(Math.abs(count - 1_000)).toBeLessThan(150)
})

test('a fingerprint does not depend on the order of the names', () => {
  holds(
    fc.property(fc.uniqueArray(fc.string()), (names) => {
      expect(computeFingerprint(names.toReversed())).toBe(computeFingerprint(names))
    }),
  )
})

test('a fingerprint tells sets apart, also where the joined names would be the same text', () => {
  const sets = [[], ['ann'], ['ann', 'bob'], ['ann,bob'], ['a', 'nnbob'], ['036'], ['36'], ['"ann"', 'bob']]
  expect(new Set(sets.map(computeFingerprint)).size).toBe(sets.length)
})
