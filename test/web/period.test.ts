import { describe, expect, test } from 'vitest'
import { commonTime, isSameMinute, sharedTime } from '../../src/web/dashboard/components/as-of.ts'
import { createFormat, type Language } from '../../src/web/dashboard/components/format.ts'
import { parsePeriod } from '../../src/web/dashboard/period.ts'

const NOW = new Date('2026-11-30T12:00:00.000Z')
const at = (text: string): Date => new Date(`2026-11-30T${text}Z`)
const period = (query: string) => parsePeriod(new URLSearchParams(query))

describe('the days of the overview', () => {
  test.each([
    ['zone=Asia/Shanghai&from=2026-11-01&to=2026-11-30', '2026-10-31T16:00:00.000Z', '2026-11-30T16:00:00.000Z'],
    ['zone=UTC&from=2026-11-01', '2026-11-01T00:00:00.000Z', undefined],
    ['zone=UTC&to=2026-12-31', undefined, '2027-01-01T00:00:00.000Z'],
    // A day of 25 hours, and one of 23.
    ['zone=Europe/Berlin&from=2026-10-25&to=2026-10-25', '2026-10-24T22:00:00.000Z', '2026-10-25T23:00:00.000Z'],
    ['zone=America/New_York&from=2026-03-08&to=2026-03-08', '2026-03-08T05:00:00.000Z', '2026-03-09T04:00:00.000Z'],
    // Summer time begins at midnight, so the day begins at one o'clock.
    ['zone=Africa/Cairo&from=2026-04-24', '2026-04-23T22:00:00.000Z', undefined],
    ['zone=Asia/Kathmandu&from=2026-11-30', '2026-11-29T18:15:00.000Z', undefined],
    ['', undefined, undefined],
  ])('%s', (query, since, until) => {
    const { since: begin, until: end } = period(query)
    expect([begin?.toISOString(), end?.toISOString()]).toEqual([since, until])
  })

  test('without a zone they are those of the server', () => {
    expect(period('from=2026-11-05').since).toEqual(new Date(2026, 10, 5))
  })

  test.each([
    ['from=yesterday', 'from', /from must be a day .* not "yesterday"/],
    ['to=2026-02-30', 'to', /to must be a day .* not "2026-02-30"/],
    ['from=1999-01-01', 'from', /from 2015-01-01 on/],
    ['from=2026-11-02&to=2026-11-01', 'from', /from \(2026-11-02\) is after to \(2026-11-01\)\. Swap them/],
    ['from=2026-11-02&zone=Mars/Olympus', 'zone', /zone must be a time zone such as Asia\/Shanghai, not "Mars\/Olympus"/],
  ])('%s is refused by name', (query, field, message) => {
    expect(() => period(query)).toThrow(expect.objectContaining({ field, message: expect.stringMatching(message) }))
  })
})

describe('a time that a list says once', () => {
  test('is that of most of its rows, to the minute', () => {
    expect(commonTime([])).toBeNull()
    expect(commonTime([at('10:00:01')])).toEqual(at('10:00:01'))
    expect(commonTime([at('10:00:01'), at('10:00:59'), at('10:05:00')])).toEqual(at('10:00:01'))
    expect(commonTime([at('10:00:00'), at('10:05:00')])).toBeNull()
    expect(isSameMinute(at('10:00:59'), at('10:01:00'))).toBe(false)
  })

  test('or of all of them, where a row has no place for another', () => {
    expect(sharedTime([at('10:00:01'), at('10:00:30')])).toEqual(at('10:00:01'))
    expect(sharedTime([at('10:00:01'), at('10:01:30')])).toBeNull()
    expect(sharedTime([at('10:00:01'), null])).toBeNull()
    expect(sharedTime([at('10:00:01')])).toBeNull()
  })
})

describe('values as text', () => {
  const distance = (language: Language, seconds: number): string => {
    const { markup } = createFormat(language).distance(new Date(NOW.getTime() + seconds * 1_000), NOW)
    return markup.replaceAll(/<[^>]*>/g, '')
  }

  test.each([
    [0, 'just now', '刚刚'],
    [-9.9, 'just now', '刚刚'],
    [9, 'in a moment', '即将'],
    [-10, '10 seconds ago', '10秒钟前'],
    [-300, '5 minutes ago', '5分钟前'],
    [7_200, 'in 2 hours', '2小时后'],
    [-72 * 3_600, '3 days ago', '3天前'],
  ])('%i seconds from now', (seconds, en, zh) => {
    expect([distance('en', seconds), distance('zh', seconds)]).toEqual([en, zh])
  })

  test('durations in Chinese have a space between number and unit', () => {
    const { duration } = createFormat('zh')
    expect([duration(15_000), duration(900_000), duration(10_200_000)]).toEqual(['15 秒', '15 分钟', '2 小时 50 分钟'])
    expect(createFormat('en').duration(10_200_000)).toBe('2 hrs 50 mins')
  })

  test('a time with seconds says so to the script', () => {
    expect(createFormat('en').exactTime(at('10:00:07')).markup).toMatch(/data-show="seconds">.*:07<\/time>$/)
  })
})
