import { expect, test } from 'vitest'
import { depthOf, joinDepartments, lastNameOf, parseDepartment } from '../../src/report/departments.ts'

test.each(['Headquarters', 'Headquarters/Sales/North', '总部/销售部/华北 区', 'a;b', '', 'x'.repeat(500)])('%j is a department', (path) => {
  expect(parseDepartment(path, 'department')).toBe(path)
})

test.each(['/Sales', 'Sales/', 'a//b', ' Sales', 'Sales /North', 'a\nb', 'a\0b', 'x'.repeat(501), 5, null, ['Sales'], undefined])(
  '%j is none, and the error says what is',
  (value) => {
    expect(() => parseDepartment(value, 'department')).toThrow(
      expect.objectContaining({
        code: 'INVALID_INPUT',
        field: 'department',
        message: expect.stringContaining('such as "Headquarters/Sales"'),
      }),
    )
  },
)

test('a path has a depth and a name of its own', () => {
  expect(['总部', '总部/销售部', '总部/销售部/华北'].map((path) => [depthOf(path), lastNameOf(path)])).toEqual([
    [0, '总部'],
    [1, '销售部'],
    [2, '华北'],
  ])
  expect(joinDepartments(['总部/销售部', '总部/培训'])).toBe('总部/销售部; 总部/培训')
})
