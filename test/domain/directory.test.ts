import { expect, test } from 'vitest'
import { type Department, DirectoryFault, departmentPaths, listPeople } from '../../src/domain/directory.ts'

const ROOT: Department = { id: '1', name: 'Example Ltd', parentId: null }
const SALES: Department = { id: '10', name: 'Sales', parentId: '1' }
const NORTH: Department = { id: '11', name: 'North', parentId: '10' }

const pathsOf = (...departments: readonly Department[]) => Object.fromEntries(departmentPaths(departments))

test('a path begins below the root, whether the root is listed or not', () => {
  expect(pathsOf(ROOT, SALES, NORTH)).toEqual({ '1': '', '10': 'Sales', '11': 'Sales/North' })
  expect(pathsOf(NORTH, SALES)).toEqual({ '10': 'Sales', '11': 'Sales/North' })
})

test('a department whose parent is not known, or that has none, begins a path', () => {
  expect(pathsOf(NORTH, { ...SALES, id: '12', parentId: null })).toEqual({ '11': 'North', '12': 'Sales' })
})

test('departments in a circle end', () => {
  expect(pathsOf({ ...SALES, parentId: '11' }, NORTH)).toEqual({ '10': 'North/Sales', '11': 'Sales/North' })
})

test.each([
  ['a slash becomes the full-width one', 'R/D', 'R／D'],
  ['a line break becomes a space, and spaces around a name go', ' Sales\nNorth\t', 'Sales North'],
  ['half a character becomes the replacement character', 'a\uD83D', 'a\uFFFD'],
  ['an empty name becomes the id', ' \u0000 ', '10'],
])('the name of a department: %s', (_, name, expected) => {
  expect(pathsOf({ ...SALES, name })).toEqual({ '10': expected })
})

test('a path that the table cannot hold is a fault that names the department', () => {
  const long = { ...SALES, name: '部'.repeat(499) }
  expect(pathsOf(long)).toEqual({ '10': '部'.repeat(499) })
  expect(() => departmentPaths([long, NORTH])).toThrow(
    new DirectoryFault('The path of the department with the id 11 is longer than 500 characters. Shorten its names in DingTalk.'),
  )
})

const list = (departmentId: string, ...members: ReadonlyArray<readonly [userId: string, name: string]>) => ({
  departmentId,
  members: members.map(([userId, name]) => ({ userId, name })),
})

test('a person in several departments is one entry with all paths, each once; in the root alone, none', () => {
  const lists = [list('1', ['007', 'Li Na']), list('10', ['036', '王伟']), list('11', ['036', '王伟'], ['036', '王伟'])]
  expect(listPeople([SALES, NORTH], lists)).toEqual([
    { userId: '007', name: 'Li Na', departments: [] },
    { userId: '036', name: '王伟', departments: ['Sales', 'Sales/North'] },
  ])
})

test('two departments of one path are one', () => {
  expect(listPeople([SALES, { ...SALES, id: '12' }], [list('10', ['a', 'Ann']), list('12', ['a', 'Ann'])])).toMatchObject([
    { departments: ['Sales'] },
  ])
})

test.each([
  ['  王\u0000伟 ', '王 伟'],
  [' ', null],
  ['n'.repeat(201), 'n'.repeat(200)],
  ['😀'.repeat(201), '😀'.repeat(200)],
])('the name %j is stored as %j', (name, stored) => {
  expect(listPeople([], [list('1', ['a', name])])).toEqual([{ userId: 'a', name: stored, departments: [] }])
})

test.each([
  [['a'], '1 person is in more than 50 departments.'],
  [['a', 'b'], '2 people are in more than 50 departments.'],
])('too many departments of %j are a fault, without the user id', (userIds, message) => {
  const departments = Array.from({ length: 51 }, (_, i) => ({ id: String(100 + i), name: `d${i}`, parentId: '1' }))
  const lists = departments.map(({ id }) => list(id, ...userIds.map((userId) => [userId, 'Ann'] as const)))
  expect(() => listPeople(departments, lists)).toThrow(new DirectoryFault(message))
  expect(listPeople(departments.slice(1), lists)).toHaveLength(userIds.length)
})
