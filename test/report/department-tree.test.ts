import { describe, expect, test } from 'vitest'
import {
  buildDepartmentTree,
  countDepartments,
  type DepartmentCounts,
  type DepartmentNode,
  listDepartments,
} from '../../src/report/department-tree.ts'
import { aPerson } from './support.ts'

const COUNTS = { targeted: 1, delivered: 1, read: 1, unread: 0, pending: 0, failed: 0, forbidden: 0, invalid: 0 }
const rowsOf = (...departments: ReadonlyArray<string | null>): DepartmentCounts[] =>
  departments.map((department) => ({ department, ...COUNTS, readRate: 1, readRateOfTargeted: 1 }))
const outline = (nodes: readonly DepartmentNode[]): string[] =>
  listDepartments(nodes).map(({ name, depth }) => `${'-'.repeat(depth)}${name}`)

describe('the tree of departments', () => {
  test('has each department below the next one above it that has people', () => {
    const tree = buildDepartmentTree(rowsOf('HQ', 'HQ/Sales', 'HQ/Sales/North', 'HQ/Sales & more', 'Lab', 'Lab/A/B', null))
    expect(outline(tree.roots)).toEqual(['HQ', '-Sales', '--North', '-Sales & more', 'Lab', '-A/B'])
    expect(listDepartments(tree.roots).map(({ department }) => department)).toContain('Lab/A/B')
    expect([tree.unknown?.department, tree.isCut]).toEqual([null, false])
  })

  test('of no department is empty', () => {
    expect(buildDepartmentTree([])).toEqual({ roots: [], unknown: null, isCut: false })
    expect(buildDepartmentTree(rowsOf(null)).roots).toEqual([])
  })

  test('leaves out whole levels where there are too many, and never the highest', () => {
    const rows = rowsOf('A', 'A/1', 'A/1/x', 'B', 'B/2')
    expect(outline(buildDepartmentTree(rows, 5).roots)).toHaveLength(5)
    expect(buildDepartmentTree(rows, 4)).toMatchObject({ isCut: true })
    expect(outline(buildDepartmentTree(rows, 4).roots)).toEqual(['A', '-1', 'B', '-2'])
    expect(outline(buildDepartmentTree(rows, 3).roots)).toEqual(['A', 'B'])
    expect(outline(buildDepartmentTree(rows, 1).roots)).toEqual(['A', 'B'])
  })
})

describe('the people of a task by department', () => {
  test('count in each of their departments and in those above, once in each', () => {
    const people = [
      aPerson({ userId: 'ann', state: 'read', department: 'HQ/Sales/North; HQ/Sales/South' }),
      aPerson({ userId: 'bob', state: 'unread', department: 'HQ/Sales/North' }),
      aPerson({ userId: 'cai', state: 'pending', department: 'HQ' }),
      aPerson({ userId: 'eve', state: 'failed', department: 'Board' }),
      aPerson({ userId: 'dan', state: 'forbidden' }),
    ]
    const counts = countDepartments(people)
    expect(counts.map(({ department, targeted, read, unread }) => [department, targeted, read, unread])).toEqual([
      ['Board', 1, 0, 0],
      ['HQ', 3, 1, 1],
      ['HQ/Sales', 2, 1, 1],
      ['HQ/Sales/North', 2, 1, 1],
      ['HQ/Sales/South', 1, 1, 0],
      [null, 1, 0, 0],
    ])
    expect(counts[1]).toMatchObject({ delivered: 2, pending: 1, readRate: 0.5, readRateOfTargeted: 1 / 3 })
    expect(counts.at(-1)).toMatchObject({ forbidden: 1, readRate: null, readRateOfTargeted: 0 })
  })

  test('have no row for an unknown department where all are known', () => {
    expect(countDepartments([aPerson({ department: 'HQ' })]).map(({ department }) => department)).toEqual(['HQ'])
    expect(countDepartments([])).toEqual([])
  })
})
