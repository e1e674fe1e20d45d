import { expect, test } from 'vitest'
import { csvHead, csvRows, toCsv } from '../../src/report/csv.ts'

test('spreadsheets see UTF-8, and lines end as RFC 4180 has it', () => {
  expect(toCsv(['campaign', 'read'], [['工资 11月', 3]])).toBe('\uFEFFcampaign,read\r\n工资 11月,3\r\n')
  expect(toCsv(['campaign'], [])).toBe('\uFEFFcampaign\r\n')
})

test('times are ISO 8601, numbers and truths as JSON has them, and nothing is empty', () => {
  expect(csvRows([[new Date('2026-11-23T01:00:00Z'), 0.5, true, null, '']])).toBe('2026-11-23T01:00:00.000Z,0.5,true,,\r\n')
})

test.each([
  ['a,b', '"a,b"'],
  ['say "hi"', '"say ""hi"""'],
  ['a\nb', '"a\nb"'],
  ['a\r\nb', '"a\r\nb"'],
])('%j is one cell', (text, cell) => {
  expect(csvRows([[text, 'next']])).toBe(`${cell},next\r\n`)
})

test.each(['=1+1', '+1', '-1', '@SUM(A1)', '\tx', '\rx', '\nx', '＝1+1', '＋1', '－1', '＠SUM(A1)', '=HYPERLINK("http://x","y")'])(
  '%j is text, no formula',
  (text) => {
    expect(csvRows([[text]]).replace(/^"/, '')).toMatch(/^'[=+\-@\t\r\n＝＋－＠]/)
  },
)

test('a number below zero is a number', () => {
  expect(csvRows([[-1]])).toBe('-1\r\n')
})

test('a file in parts is the same file', () => {
  const rows = [['a'], ['b'], ['c']]
  expect(csvHead(['x']) + csvRows(rows.slice(0, 1)) + csvRows([]) + csvRows(rows.slice(1))).toBe(toCsv(['x'], rows))
})
