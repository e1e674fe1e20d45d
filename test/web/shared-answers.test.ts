import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Answer, reuseMsOf, type SharedAnswers, shareAnswers } from '../../src/web/shared-answers.ts'

const SECOND = 1_000

/** A reader whose answers cost what the test says, on a clock that the test moves. */
function aBench(countRows: ((value: number) => number) | null = () => 1) {
  let nowMs = 1_000_000
  let computed = 0
  const answers: SharedAnswers<number> = shareAnswers({ monotonicMs: () => nowMs, countRows })
  return {
    pass: (ms: number): void => {
      nowMs += ms
    },
    computed: () => computed,
    ask: (question = 'a', costMs = 4 * SECOND): Promise<Answer<number>> =>
      answers.ask(question, async () => {
        computed += 1
        const value = computed
        nowMs += costMs
        return value
      }),
    fail: (message: string, question = 'a'): Promise<Answer<number>> =>
      answers.ask(question, () => {
        computed += 1
        return Promise.reject(new Error(message))
      }),
  }
}

describe('of all who ask the same question', () => {
  test('at the same time, one computes', async () => {
    const { ask, computed } = aBench()
    const given = await Promise.all(Array.from({ length: 6 }, () => ask()))
    expect([computed(), new Set(given.map(({ value }) => value)).size]).toEqual([1, 1])
  })

  test('another question is another answer', async () => {
    const { ask } = aBench()
    expect(await Promise.all([ask('a'), ask('b')])).toMatchObject([{ value: 1 }, { value: 2 }])
  })

  test('an answer that took 4 s serves all for 20 s, and says when it was asked for', async () => {
    const { ask, pass, computed } = aBench()
    const first = await ask()
    pass(20 * SECOND - 1)
    expect(await ask()).toMatchObject(first)
    expect([computed(), first.costMs, first.askedAtMs]).toEqual([1, 4 * SECOND, 1_000_000])
  })

  test('then it is given once more to all, while one of them has a newer one computed', async () => {
    const { ask, pass, computed } = aBench()
    await ask()
    pass(20 * SECOND)
    expect((await Promise.all([ask(), ask(), ask()])).map(({ value }) => value)).toEqual([1, 1, 1])
    expect(computed()).toBe(2)
    expect((await ask()).value).toBe(2)
  })

  test('and after as long again nobody is given it', async () => {
    const { ask, pass } = aBench()
    await ask()
    pass(40 * SECOND)
    expect((await Promise.all([ask(), ask()])).map(({ value }) => value)).toEqual([2, 2])
  })

  test('what was cheap is computed for each, and so is what has no row, and what may not be kept', async () => {
    for (const [bench, costMs] of [
      [aBench(), 249],
      [aBench(() => 0), 4_000],
      [aBench(null), 4_000],
    ] as const) {
      expect([(await bench.ask('a', costMs)).value, (await bench.ask('a', costMs)).value]).toEqual([1, 2])
    }
  })

  test('an error is told to all who wait for it, and is not kept', async () => {
    const { ask, fail, computed } = aBench()
    const told = await Promise.allSettled([fail('gone'), fail('gone'), ask()])
    expect(told.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
    expect(computed()).toBe(1)
    expect((await ask()).value).toBe(2)
  })

  test('an error where nobody waits for it leaves the answer that is there, for as long as it may be given', async () => {
    const { ask, fail, pass } = aBench()
    await ask()
    pass(20 * SECOND)
    expect((await fail('gone')).value).toBe(1)
    expect((await fail('gone')).value).toBe(1)
    pass(20 * SECOND)
    await expect(fail('gone')).rejects.toThrow('gone')
  })
})

describe('the memory', () => {
  test('has the 64 answers that were asked for last', async () => {
    const { ask, computed } = aBench()
    // All at once, so that none of them grows old meanwhile.
    await Promise.all(Array.from({ length: 64 }, (_, i) => ask(`${i}`, 60 * SECOND)))
    await ask('0')
    await ask('one more', SECOND)
    expect(computed()).toBe(65)
    await ask('0')
    expect(computed()).toBe(65)
    await ask('1')
    expect(computed()).toBe(66)
  })

  test('has half a million rows at most; an answer with more of them is shared, and not kept', async () => {
    const { ask, computed } = aBench((value) => (value === 4 ? 500_001 : 200_000))
    await Promise.all(['a', 'b', 'c'].map((question) => ask(question, 60 * SECOND)))
    await ask('b')
    expect(computed()).toBe(3)
    await Promise.all([ask('large', 60 * SECOND), ask('large', 60 * SECOND)])
    expect(computed()).toBe(4)
    await ask('large', 60 * SECOND)
    expect(computed()).toBe(5)
    await ask('a')
    expect(computed()).toBe(6)
  })
})

test('the dearer an answer, the longer it is used: several times its cost, and a minute at most', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e6, noNaN: true }), fc.double({ min: 0, max: 1e6, noNaN: true }), (a, b) => {
      const [less = 0, more = 0] = [a, b].sort((x, y) => x - y)
      expect(reuseMsOf(more)).toBeGreaterThanOrEqual(reuseMsOf(less))
      expect(reuseMsOf(more)).toBeLessThanOrEqual(60_000)
      if (more >= 250) expect(reuseMsOf(more)).toBeGreaterThanOrEqual(Math.min(60_000, 5 * more))
    }),
  )
})
