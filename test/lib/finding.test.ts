import { expect, test } from 'vitest'
import { toFinding } from '../../src/lib/finding.ts'

test('what needs nobody is well', () => {
  expect(toFinding('pool', { detail: 'none waits' })).toEqual({ name: 'pool', ok: true, detail: 'none waits' })
})

test('what somebody should act on warns, and the work goes on', () => {
  const found = { detail: '3 wait', remedy: 'Start more workers.' }
  expect(toFinding('pool', found)).toEqual({ name: 'pool', ok: true, warning: true, ...found })
})
