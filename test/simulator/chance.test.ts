import { expect, test } from 'vitest'
import { chance, logNormal } from '../../src/simulator/chance.ts'
import { drawPerson } from '../../src/simulator/fate.ts'
import { DEFAULT_LAWS } from '../../src/simulator/settings.ts'

const HOUR = 3_600_000

test('draws are spread evenly, for every subject', () => {
  const draws = Array.from({ length: 10_000 }, (_, i) => chance(1, '256271667526', `0${i}`, 'fate'))
  const tenths = Array.from({ length: 10 }, (_, tenth) => draws.filter((draw) => Math.floor(draw * 10) === tenth).length)
  for (const count of tenths) expect(Math.abs(count - 1_000)).toBeLessThan(150)
})

test('half of the log-normal draws lie below the median', () => {
  const draws = Array.from({ length: 10_000 }, (_, i) => logNormal(HOUR, 1, 1, i))
  expect(draws.filter((draw) => draw < HOUR).length / draws.length).toBeCloseTo(0.5, 1)
})

test('the shares of the law are the shares of the people', () => {
  const draft = { seed: 1, taskId: '1', sentAt: 0, timeScale: 1, laws: DEFAULT_LAWS }
  const people = Array.from({ length: 10_000 }, (_, i) => drawPerson({ ...draft, userId: `0${i}` }))
  const share = (fate: string) => people.filter((person) => person.fate === fate).length / people.length
  expect(share('never')).toBeCloseTo(0.15, 1.5)
  expect(share('forbidden')).toBeCloseTo(0.02, 2)
  expect(share('invalid')).toBeGreaterThan(0.005)
  const hours = (count: number) => people.filter((person) => person.readAt < count * HOUR).length / people.length
  expect(hours(0.5)).toBeGreaterThan(0.4)
  expect(hours(24)).toBeGreaterThan(hours(0.5) + 0.2)
  expect(people.every((person) => person.readAt > person.processedAt || person.readAt === Infinity)).toBe(true)
})
