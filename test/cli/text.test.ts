import picocolors from 'picocolors'
import { expect, test } from 'vitest'
import { demoNotifications } from '../../src/cli/demo/scenario.ts'
import { toCsv } from '../../src/cli/text/csv.ts'
import { percent, readBar } from '../../src/cli/text/rate.ts'
import { plainText, renderTable } from '../../src/cli/text/table.ts'
import { parseSince, showDistance, showTime } from '../../src/cli/text/time.ts'
import { parseUsers } from '../../src/cli/track.ts'

const plain = picocolors.createColors(false)
const coloured = picocolors.createColors(true)
const NOW = new Date('2026-11-23T12:00:00Z')

test('CSV begins with a byte order mark, ends lines with CRLF and quotes what RFC 4180 wants quoted', () => {
  expect(
    toCsv(
      ['a', 'b'],
      [
        ['x,y', 'say "hi"'],
        ['two\nlines', '工资单'],
      ],
    ),
  ).toBe('\uFEFFa,b\r\n"x,y","say ""hi"""\r\n"two\nlines",工资单\r\n')
})

test('in CSV times are ISO 8601, numbers are numbers, nothing is an empty cell', () => {
  expect(toCsv(['a'], [[NOW, 0.5, -1, null, true, '0366']])).toBe('\uFEFFa\r\n2026-11-23T12:00:00.000Z,0.5,-1,,true,0366\r\n')
})

test.each(['=HYPERLINK("http://evil")', '+1', '-cmd', '@SUM(A1)', '\tx'])(
  'a cell that a spreadsheet would run (%s) is disarmed and stays readable',
  (text) => {
    const cell = toCsv(['a'], [[text]]).split('\r\n')[1] ?? ''
    expect(cell).toMatch(/^"?'/)
    expect(cell.replaceAll('""', '"')).toContain(text)
  },
)

test('a bar is full only when everybody has read, and empty only when nobody has', () => {
  const filled = (rate: number): number => [...readBar(rate, plain)].filter((sign) => sign === '█').length
  expect([0, 0.001, 0.5, 0.999, 1].map(filled)).toEqual([0, 1, 10, 19, 20])
})

test('99.96 % is not 100 %, and no denominator is a dash', () => {
  expect([percent(0.9996), percent(1), percent(0), percent(null)]).toEqual(['99.9 %', '100.0 %', '0.0 %', '–'])
})

test('bars of all rates are equally wide, so that columns align', () => {
  expect(new Set([null, 0, 0.055, 0.5, 1].map((rate) => readBar(rate, plain).length)).size).toBe(1)
})

test('columns align with Chinese names, which are two columns wide', () => {
  const table = renderTable(
    [
      { title: 'Name', show: (row: string) => row },
      { title: 'End', show: () => '|' },
    ],
    ['工资单', 'payrol', 'x'],
    plain,
  )
  const ends = table.split('\n').map((line) => widthOf(line.slice(0, line.indexOf('|'))))
  expect(new Set(ends.slice(1)).size).toBe(1)
})

test('a table too wide for the terminal leaves out what can be spared, and never what cannot', () => {
  const titles = (width?: number): string[] =>
    renderTable(
      [
        { title: 'Campaign', show: () => '十一月工资单' },
        { title: 'Tasks', spare: 1, show: () => '5' },
        { title: 'App', spare: 2, show: () => 'default' },
        { title: 'Rate', show: () => readBar(0.9, coloured) },
      ],
      [1],
      coloured,
      width,
    )
      .split('\n')
      .slice(0, 1)
      .flatMap((line) => line.match(/[A-Z]\w+/g) ?? [])
  expect(titles()).toEqual(['Campaign', 'Tasks', 'App', 'Rate'])
  expect(titles(12 + 2 + 5 + 2 + 7 + 2 + 28)).toEqual(['Campaign', 'Tasks', 'App', 'Rate'])
  expect(titles(12 + 2 + 5 + 2 + 7 + 2 + 27)).toEqual(['Campaign', 'Tasks', 'Rate'])
  expect(titles(10)).toEqual(['Campaign', 'Rate'])
})

test('without a terminal there is no escape sequence, and with one there is', () => {
  const table = (colors: typeof plain): string => renderTable([{ title: 'Rate', show: () => readBar(0.9, colors) }], [1], colors)
  expect(table(plain)).not.toContain('\u001B')
  expect(table(coloured)).toContain('\u001B')
})

test('control characters in names do not reach the terminal', () => {
  expect(plainText('a\u001B[2Jb\nc')).toBe('a\uFFFD[2Jb\uFFFDc')
})

test.each([
  ['30m', '2026-11-23T11:30:00.000Z'],
  ['24h', '2026-11-22T12:00:00.000Z'],
  ['7d', '2026-11-16T12:00:00.000Z'],
  ['2w', '2026-11-09T12:00:00.000Z'],
  ['2026-11-01T09:00:00+08:00', '2026-11-01T01:00:00.000Z'],
])('--since %s is %s', (text, expected) => {
  expect(parseSince(text, NOW)?.toISOString()).toBe(expected)
})

test('--since with a day begins at local midnight', () => {
  expect(parseSince('2026-11-01', NOW)).toEqual(new Date(2026, 10, 1))
})

test.each(['', '7', 'd', '7y', '-7d', '2026-13-01', '2026-02-30', 'yesterday', '2026-11-01T25:00:00Z'])(
  '--since "%s" is refused',
  (text) => {
    expect(parseSince(text, NOW)).toBeNull()
  },
)

test('times show the local time with its offset, and read back as the same moment', () => {
  const shown = showTime(new Date('2026-11-23T12:00:05.000Z'))
  expect(shown).toMatch(/^2026-11-2\d \d\d:\d\d:05 [+-]\d\d:\d\d$/)
  expect(new Date(shown.replace(' ', 'T').replace(' ', '')).toISOString()).toBe('2026-11-23T12:00:05.000Z')
})

test('distances read as people say them', () => {
  const after = (ms: number): string => showDistance(new Date(NOW.getTime() + ms), NOW)
  expect([after(45_000), after(-300_000), after(12_000_000), after(7_200_000)]).toEqual(['in 45 s', '5 min ago', 'in 3 h 20 min', 'in 2 h'])
})

test('a list of users may come from any system', () => {
  expect(parseUsers('\uFEFF# sales\r\n036632523163121146\r\n\r\n  li.wei  # left in May\nuser#1\r0001\n')).toEqual([
    '036632523163121146',
    'li.wei',
    'user#1',
    '0001',
  ])
})

test('the demo sends a dozen notifications in three campaigns, none to more than 100 people, nobody twice in a campaign', () => {
  const notifications = demoNotifications()
  expect(notifications.length).toBeGreaterThanOrEqual(12)
  expect(new Set(notifications.map(({ campaign }) => campaign)).size).toBe(3)
  expect(Math.max(...notifications.map(({ userIds }) => userIds.length))).toBeLessThanOrEqual(100)
  for (const campaign of new Set(notifications.map((each) => each.campaign))) {
    const people = notifications.filter((each) => each.campaign === campaign).flatMap(({ userIds }) => userIds)
    expect(new Set(people).size).toBe(people.length)
  }
})

function widthOf(text: string): number {
  return text.length + [...text.matchAll(/\p{Script=Han}/gu)].length
}
