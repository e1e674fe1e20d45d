import { expect, test } from 'vitest'
import { isDepartment, MAX_DEPARTMENT } from '../../src/domain/field-rules.ts'

test.each(['Headquarters', 'Headquarters/Sales/North', '总部/销售部', 'R&D – Team 7/a b', 'x'.repeat(MAX_DEPARTMENT)])(
  'a path of departments: %s',
  (path) => {
    expect(isDepartment(path)).toBe(true)
  },
)

test.each([
  '',
  '/',
  '/Sales',
  'Sales/',
  'Sales//North',
  ' Sales',
  'Sales/ North',
  'Sales /North',
  'Sa\nles',
  'Sales/\ud800',
  'x'.repeat(MAX_DEPARTMENT + 1),
])('no path of departments: %j', (path) => {
  expect(isDepartment(path)).toBe(false)
})
