import { expect, test } from 'vitest'
import { findingOf } from '../../src/lib/finding.ts'

test('what needs nobody is well', () => {
  expect(findingOf('pool', { detail: 'none waits' })).toEqual({ name: 'pool', ok: true, detail: 'none waits' })
})

test('what somebody should act on warns, and the work goes on', () => {
  const found = { detail: '3 wait', remedy: 'Start more workers.' }
  expect(findingOf('pool', found)).toEqual({ name: 'pool', ok: true, warning: true, ...found })
})
