import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isUserId } from '../../src/domain/field-rules.ts'
import { readUserList } from '../../src/intake/user-list.ts'
import { toCsv } from '../../src/report/csv.ts'
import { holds } from '../domain/support.ts'

const valuesIn = (text: string): string[] => readUserList(text).map(({ value }) => value)
const linesIn = (text: string): Array<readonly [number, string]> => readUserList(text).map(({ line, value }) => [line, value] as const)

test('one id a line, with empty lines, comments and the line ends of every system', () => {
  expect(linesIn('\uFEFF# sales\r\n036632523163121146\r\n\r\n  li.wei  # left in May\nuser#1\r0001\n')).toEqual([
    [2, '036632523163121146'],
    [4, 'li.wei'],
    [5, 'user#1'],
    [6, '0001'],
  ])
})

test('an empty file, or one of empty lines and comments, has nobody', () => {
  expect([valuesIn(''), valuesIn('\uFEFF\n\n'), valuesIn('# nobody')]).toEqual([[], [], []])
})

test('a list in quotation marks, with or without a header', () => {
  expect(valuesIn('"user_id"\r\n"0366"\r\n"li.wei"\r\n')).toEqual(['0366', 'li.wei'])
  expect(valuesIn('userid\n0366')).toEqual(['0366'])
  expect(valuesIn('="0366"\n')).toEqual(['0366'])
  expect(valuesIn('"a""b"')).toEqual(['a"b'])
})

test('an id that is a word of headers is an id where it stands alone', () => {
  expect(valuesIn('user\nperson')).toEqual(['user', 'person'])
})

test('an export of the API, whatever stands in the other columns', () => {
  const csv = toCsv(
    ['app', 'task_id', 'campaign', 'user_id', 'state', 'first_seen_at'],
    [
      ['default', '1', '=十一月, "A" #1', '036632523163121146', 'unread', new Date(0)],
      ['default', '1', 'two\nlines', '-minus', 'read', null],
    ],
  )
  expect(linesIn(csv)).toEqual([
    [2, '036632523163121146'],
    [3, '-minus'],
  ])
})

test.each([
  ['translated headers', '应用,人员,状态\r\ndefault,0366,未读\r\n'],
  ['the headers of the console', '姓名,员工UserID\n李雷,0366\n'],
  ['semicolons', 'app;user_id;state\r\ndefault;0366;unread\r\n'],
  ['tabs', 'app\tuser_id\r\ndefault\t0366'],
  ['spaces and quotation marks around all', '"app" , "user_id"\n"default" ,"0366"\n'],
  ['empty lines and rows', 'app,user_id\n\n,\ndefault,0366\n\n'],
  ['the best of two columns', 'user,user_id\nLi Lei,0366\n'],
])('a table with %s', (_, text) => {
  expect(valuesIn(text)).toEqual(['0366'])
})

test('a row without an id is named', () => {
  expect(() => readUserList('app,user_id\ndefault,0366\ndefault\n')).toThrow(
    'line 3 has nothing in the column of the user ids, 2 from the left',
  )
})

test('a table without a header row, or with another one, is a list: each line is told where it is checked', () => {
  expect(linesIn('default,0366,unread\n')).toEqual([[1, 'default,0366,unread']])
  expect(linesIn('name,number\nLi Lei,0366\n')).toHaveLength(2)
})

test('nothing is no list', () => {
  for (const text of ['', '\uFEFF', '\r\n\n', '# nobody\n', 'user_id\n', 'app,user_id\n']) expect(readUserList(text)).toEqual([])
})

test('whatever our own CSV says is read as it was', () => {
  const id = fc.oneof(fc.stringMatching(/^[=+@-]?[A-Za-z0-9_.@=+-]{1,20}$/), fc.string({ unit: 'binary', maxLength: 20 })).filter(isUserId)
  const campaign = fc.string({ unit: fc.constantFrom(...Array.from('a,";\t\r\n\'=#李')), minLength: 1, maxLength: 6 })
  holds(
    fc.property(fc.array(fc.tuple(campaign, id), { minLength: 1, maxLength: 5 }), (rows) => {
      expect(
        valuesIn(
          toCsv(
            ['campaign', 'user_id', 'state'],
            rows.map(([name, userId]) => [name, userId, 'read']),
          ),
        ),
      ).toEqual(rows.map(([, userId]) => userId))
    }),
    2_000,
  )
})

test('any text is a list, or names a line', () => {
  holds(
    fc.property(
      fc.string({ unit: fc.oneof(fc.constantFrom(...Array.from('user_id,";\t\r\n\'=#a')), fc.constant('user_id')), maxLength: 40 }),
      (text) => {
        try {
          for (const { line, value } of readUserList(text)) expect([line > 0, value.trim()]).toEqual([true, value])
        } catch (error) {
          expect(String(error)).toMatch(/^RangeError: line \d+ has nothing in the column of the user ids, /)
        }
      },
    ),
    3_000,
  )
})
