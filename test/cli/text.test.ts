import { expect, test } from 'vitest'
import { demoNotifications } from '../../src/cli/demo/scenario.ts'
import { readBar, sparkline, statesBar } from '../../src/cli/text/bars.ts'
import { renderFacts } from '../../src/cli/text/layout.ts'
import { describeForbidden, describeShares, describeTimeToRead } from '../../src/cli/text/reading.ts'
import { plainText, renderTable } from '../../src/cli/text/table.ts'
import { parseSince, showDistance, showDuration, showShortTime, showTime } from '../../src/cli/text/time.ts'
import { cutTo, wrapTo } from '../../src/cli/text/width.ts'
import { parseUsers } from '../../src/cli/track.ts'
import { HOUR_MS, MINUTE_MS } from '../../src/domain/delivery.ts'
import { aQuantile, aShare, coloured, hoursLater, plain, SENT } from './support.ts'

const NOW = new Date('2026-11-23T12:00:00Z')

test('a bar is full only when everybody has read, and empty only when nobody has', () => {
  const filled = (rate: number): number => [...readBar(rate, plain)].filter((sign) => sign === '█').length
  expect([0, 0.001, 0.5, 0.999, 1].map(filled)).toEqual([0, 1, 10, 19, 20])
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
  expect(titles(12 + 2 + 5 + 2 + 7 + 2 + 27)).toEqual(['Campaign', 'Tasks', 'App', 'Rate'])
  expect(titles(12 + 2 + 5 + 2 + 7 + 2 + 26)).toEqual(['Campaign', 'Tasks', 'Rate'])
  expect(titles(10)).toEqual(['Campaign', 'Rate'])
})

test('a long name is cut before columns are left out, and again when none is left to spare', () => {
  const table = (width: number): string[] =>
    renderTable(
      [
        { title: 'Campaign', shrinkTo: 12, show: () => '十一月工资单十一月工资单' },
        { title: 'Tasks', spare: 1, show: () => '5' },
        { title: 'Rate', show: () => '75.9%' },
      ],
      [1],
      plain,
      width,
    ).split('\n')
  expect(table(38)).toEqual(expect.arrayContaining(['十一月工资单十一月工资单  5      75.9%']))
  expect(table(37)).toEqual(expect.arrayContaining(['十一月工资…  5      75.9%']))
  expect(table(24)).toEqual(expect.arrayContaining(['十一月工资…  75.9%']))
  expect(table(17)).toEqual(expect.arrayContaining(['十一月工…  75.9%']))
})

test('a text is cut between characters, and says so', () => {
  expect(['工资单', '工资单x', 'payroll', 'pay'].map((text) => cutTo(text, 6))).toEqual(['工资单', '工资…', 'payro…', 'pay'])
})

test('a text is broken between words, and a long word is left whole', () => {
  expect(wrapTo('half had read 12345678901 min', 8)).toEqual(['half had', 'read', '12345678901', 'min'])
})

test('facts go on below their value, and a number stays with its unit', () => {
  const facts = renderFacts(
    [
      ['Deadline', '2026-11-24 09:00:00 +08:00, in 13 h 30 min'],
      ['Reason', null],
      ['Polls', 'one\ntwo'],
    ],
    { colors: plain, width: 42 },
  )
  expect(facts).toBe(`Deadline     2026-11-24 09:00:00 +08:00,
             in 13 h 30 min
Polls        one
             two`)
})

const DAY = { from: SENT, until: hoursLater(24) }

test('a sparkline ends where now is, is full only when all have read, and blank before anybody has', () => {
  const points = [0, 1, 43, 86, 87].map((read, i) => ({ at: hoursLater(i * 4 + 1), delivered: 87, read, readRate: read / 87 }))
  expect(sparkline(points, 87, { ...DAY, now: hoursLater(30) }, 6)).toBe(' ▁▄▇██')
  expect(sparkline(points, 87, { ...DAY, now: hoursLater(10) }, 6)).toBe(' ▁▄···')
  expect(sparkline([], 0, { ...DAY, now: hoursLater(10) }, 6)).toBe('   ···')
})

test('states share a bar in proportion, each with a cell at least', () => {
  const counts = { read: 94, unread: 3, pending: 1, forbidden: 1, failed: 1, invalid: 0 }
  expect(statesBar(counts, plain, 20)?.bar).toBe('████████████████▒·×!')
  expect(statesBar({ ...counts, read: 3, unread: 7, pending: 0, forbidden: 0, failed: 0 }, plain, 10)?.bar).toBe('███▒▒▒▒▒▒▒')
  expect(statesBar({ read: 0, unread: 0, pending: 0, forbidden: 0, failed: 0, invalid: 0 }, plain, 10)).toBeNull()
})

test('when people read is shown as brackets', () => {
  const quantiles = [
    aQuantile(0.25, { afterMs: 0, beforeMs: 3 * MINUTE_MS }),
    aQuantile(0.5, { afterMs: 12 * MINUTE_MS, beforeMs: 20 * MINUTE_MS }),
    aQuantile(0.9, { afterMs: 10 * HOUR_MS, beforeMs: null }),
  ]
  const words = describeTimeToRead({ people: 9, read: 5, method: 'polls', asOf: NOW, assumedSendTimes: 0, quantiles, within: [] })
  expect(words.split('\n')).toEqual([
    'a quarter had read within 3 min after the send',
    'half had read between 12 min and 20 min',
    'nine in ten: not yet after 10 h; no later poll shows it',
  ])
})

test('a day that passes in a minute is shown as a day, with a note', () => {
  const quantiles = [aQuantile(0.5, { afterMs: 12 * MINUTE_MS, beforeMs: 18 * MINUTE_MS })]
  const words = describeTimeToRead({ people: 9, read: 5, method: 'polls', asOf: NOW, assumedSendTimes: 0, quantiles, within: [] }, 1_440)
  expect(words.split('\n')).toEqual(['half had read between 12 min and 18 min after the send', expect.stringContaining('faster')])
})

test('an estimate is called so, and stands behind what is certain', () => {
  const minutes = (after: number, before: number | null) => ({
    afterMs: after * MINUTE_MS,
    beforeMs: before === null ? null : before * MINUTE_MS,
  })
  const quantiles = [
    aQuantile(0.25, minutes(0, 9)),
    aQuantile(0.5, minutes(6, 40), minutes(14, 16)),
    aQuantile(0.75, minutes(50, 70), minutes(59.9, 60)),
    aQuantile(0.9, minutes(600, null), minutes(610, 620)),
  ]
  const words = describeTimeToRead({ people: 9, read: 5, method: 'turnbull', asOf: NOW, assumedSendTimes: 0, quantiles, within: [] })
  expect(words.split('\n')).toEqual([
    'a quarter had read within 9 min after the send',
    'half had read between 6 min and 40 min, most likely 14 min to 16 min',
    'three quarters had read between 50 min and 1 h 10 min, most likely about 1 h',
    'nine in ten: not yet after 10 h; no later poll shows it, most likely 10 h 10 min to 10 h 20 min',
    expect.stringContaining('Turnbull'),
  ])
})

test('shares have both bounds, unless they are one, or the upper one is everybody', () => {
  const shares = describeShares([aShare(1, 0.42, 0.45), aShare(8, 0.8, 1), aShare(24, 1, 1)])
  expect(shares?.replaceAll('\u00A0', ' ')).toBe('1 h: 42.0 to 45.0%  8 h: at least 80.0%  24 h: 100.0%')
  expect(describeShares([])).toBeNull()
})

test('reasons of DingTalk have a text, with the code', () => {
  const reasons = describeForbidden([
    { code: '143105', reason: 'daily_limit', people: 3 },
    { code: null, reason: 'other', people: 1 },
  ])
  expect(reasons?.replaceAll('\u00A0', ' ')).toBe(
    '3 had reached the daily limit of messages (code 143105)\n1 refused by DingTalk (no code given)',
  )
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
  expect([after(5_400), after(45_000), after(-300_000), after(12_000_000), after(7_200_000)]).toEqual([
    'in 5 s',
    'in 45 s',
    '5 min ago',
    'in 3 h 20 min',
    'in 2 h',
  ])
})

test('short times are told in tenths of a second, and long ones in days', () => {
  const shown = [0, 440, 9_960, 59_400, 59_600, 47.4 * HOUR_MS, 48 * HOUR_MS, 74.6 * HOUR_MS].map(showDuration)
  expect(shown).toEqual(['0 s', '0.4 s', '10 s', '59 s', '1 min', '47 h 24 min', '2 d', '3 d 3 h'])
})

test('a time in a column is as short as it can be', () => {
  const at = (time: Date): string => showShortTime(time, NOW)
  const noon = new Date(2026, 10, 23, 12, 30, 5)
  expect(showShortTime(noon, new Date(2026, 10, 23, 18))).toBe('12:30:05')
  expect(showShortTime(noon, new Date(2026, 10, 24, 18))).toBe('11-23 12:30')
  expect(showShortTime(noon, new Date(2027, 10, 24))).toBe('2026-11-23')
  expect(at(NOW)).toBe(showTime(NOW).slice(11, 19))
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
