import fc from 'fast-check'
import { expect, test } from 'vitest'
import { aDay } from './random-days/day.ts'
import { brokenRules } from './random-days/rules.ts'
import { live } from './random-days/simulation.ts'

const SEED = 20_261_130
const RUNS = Number(process.env['DAYS'] ?? 200)

test('random days: whatever fails, for however long and for whom, every rule holds', async () => {
  await fc.assert(
    fc.asyncProperty(aDay(), async (day) => {
      expect(brokenRules(await live(day))).toEqual({})
    }),
    { numRuns: RUNS, seed: Number(process.env['SEED'] ?? SEED) },
  )
})
