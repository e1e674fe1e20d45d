import fc from 'fast-check'
import { expect, test } from 'vitest'
import { QUERY_WINDOW_MS } from '../../src/domain/delivery.ts'
import { type DeliveredRow, sinceSendMs, toCampaignBracket, toElapsedBracket, toTaskBracket } from '../../src/report/read-brackets.ts'
import { after, holds, hoursLater, minutesLater, SENT } from '../domain/support.ts'

/** An unread person whom no poll ever listed so, in a task of 24 hours, if not said otherwise. */
const row = (columns: Partial<DeliveredRow> = {}): DeliveredRow => ({
  sentAt: SENT,
  sentAtGiven: true,
  deadlineAt: hoursLater(24),
  lastUnreadAt: null,
  firstReadAt: null,
  ...columns,
})

// ---- in one task

test('a read lies after the last "unread" and not later than the first "read"', () => {
  const seen = row({ lastUnreadAt: minutesLater(3), firstReadAt: minutesLater(9) })
  expect(toTaskBracket(seen)).toEqual({
    sentAt: SENT,
    deadlineAt: hoursLater(24),
    afterAt: minutesLater(3),
    beforeAt: minutesLater(9),
  })
})

test('who was never seen unread may have read since the send', () => {
  expect(toTaskBracket(row({ firstReadAt: minutesLater(9) }))).toMatchObject({ afterAt: SENT, beforeAt: minutesLater(9) })
})

test('an assumed send time is no lower end, and "unread" is one whatever the send time', () => {
  const assumed = { sentAtGiven: false, firstReadAt: minutesLater(9) }
  expect(toTaskBracket(row(assumed))).toMatchObject({ afterAt: null, beforeAt: minutesLater(9) })
  expect(toTaskBracket(row({ ...assumed, lastUnreadAt: minutesLater(3) }))).toMatchObject({ afterAt: minutesLater(3) })
})

test('the first read of several tasks has no lower end where one of them has none', () => {
  const [assumed, given] = [row({ sentAtGiven: false, firstReadAt: minutesLater(9) }), row({ lastUnreadAt: minutesLater(3) })]
  expect(toCampaignBracket([assumed, given])).toMatchObject({ afterAt: null, beforeAt: minutesLater(9) })
  expect(toCampaignBracket([given, assumed])).toMatchObject({ afterAt: null, beforeAt: minutesLater(9) })
})

test('without a lower end the time to read begins at the enqueue', () => {
  expect(toElapsedBracket(toTaskBracket(row({ sentAtGiven: false, firstReadAt: minutesLater(9) })))).toEqual({
    afterMs: 0,
    beforeMs: 9 * 60_000,
  })
})

test('who was not seen as read has no upper end', () => {
  expect(toTaskBracket(row({ lastUnreadAt: hoursLater(20) }))).toMatchObject({ afterAt: hoursLater(20), beforeAt: null })
})

// ---- in several tasks of a campaign

test('a person in one task of a campaign has the bracket of the task', () => {
  const seen = row({ lastUnreadAt: minutesLater(3), firstReadAt: minutesLater(9) })
  expect(toCampaignBracket([seen])).toEqual(toTaskBracket(seen))
})

test('the first read of two: after the earlier lower end, by the earlier upper end', () => {
  const early = row({ lastUnreadAt: minutesLater(3), firstReadAt: minutesLater(60) })
  const late = row({ lastUnreadAt: minutesLater(9), firstReadAt: minutesLater(30) })
  const both = { afterAt: minutesLater(3), beforeAt: minutesLater(30) }
  expect(toCampaignBracket([early, late])).toMatchObject(both)
  expect(toCampaignBracket([late, early])).toMatchObject(both)
})

test('a task in which the person is still unread takes nothing from a read in another', () => {
  const unread = row({ lastUnreadAt: hoursLater(23) })
  const read = row({ lastUnreadAt: minutesLater(9), firstReadAt: minutesLater(30) })
  const first = { afterAt: minutesLater(9), beforeAt: minutesLater(30) }
  expect(toCampaignBracket([unread, read])).toMatchObject(first)
  expect(toCampaignBracket([read, unread])).toMatchObject(first)
  expect(toCampaignBracket([unread, unread])).toMatchObject({ afterAt: hoursLater(23), beforeAt: null })
})

test('the time counts from the earliest send, with its window', () => {
  const first = row()
  const second = row({ sentAt: hoursLater(5), deadlineAt: hoursLater(29) })
  const window = { sentAt: SENT, deadlineAt: hoursLater(24) }
  expect(toCampaignBracket([first, second])).toMatchObject(window)
  expect(toCampaignBracket([second, first])).toMatchObject(window)
})

const aRow: fc.Arbitrary<{ readonly readMinute: number; readonly row: DeliveredRow }> = fc
  .record({
    sentMinute: fc.nat({ max: 300 }),
    readAfter: fc.option(fc.nat({ max: 300 })),
    polls: fc.array(fc.integer({ min: 1, max: 400 }), { maxLength: 6 }),
  })
  .map(({ sentMinute, readAfter, polls }) => {
    const readMinute = readAfter === null ? Infinity : sentMinute + readAfter + 0.5
    const minutes = polls.map((minute) => sentMinute + minute).toSorted((a, b) => a - b)
    const at = (minute: number | undefined) => (minute === undefined ? null : minutesLater(minute))
    const lastUnreadAt = at(minutes.findLast((minute) => minute < readMinute))
    const firstReadAt = at(minutes.find((minute) => minute >= readMinute))
    const sent = { sentAt: minutesLater(sentMinute), deadlineAt: minutesLater(sentMinute + 24 * 60) }
    return { readMinute, row: row({ ...sent, lastUnreadAt, firstReadAt }) }
  })

test('the true first read of several tasks lies in the bracket, whatever the order of the rows', () => {
  const rows = fc.tuple(aRow, fc.array(aRow, { maxLength: 4 })).map(([first, others]) => [first, ...others] as const)
  holds(
    fc.property(rows, ([first, ...others]) => {
      const bracket = toCampaignBracket([first.row, ...others.map((other) => other.row)])
      const truth = Math.min(...[first, ...others].map(({ readMinute }) => readMinute))
      expect(minutesLater(Math.min(truth, 10_000)).getTime()).toBeGreaterThan(bracket.afterAt!.getTime())
      if (bracket.beforeAt !== null) expect(minutesLater(truth).getTime()).toBeLessThanOrEqual(bracket.beforeAt.getTime())
      const [last, ...before] = [first, ...others].map((each) => each.row).toReversed()
      expect(toCampaignBracket([last!, ...before])).toEqual(bracket)
    }),
  )
})

// ---- durations

test('durations count from the send', () => {
  expect(toElapsedBracket(toTaskBracket(row({ lastUnreadAt: minutesLater(3), firstReadAt: minutesLater(9) })))).toEqual({
    afterMs: 180_000,
    beforeMs: 540_000,
  })
  expect(toElapsedBracket(toTaskBracket(row()))).toEqual({ afterMs: 0, beforeMs: null })
})

test.each([0, -1, -60_000])('a read that is seen %d ms after the send, by clocks that differ, is one of the first millisecond', (ms) => {
  expect(toElapsedBracket(toTaskBracket(row({ firstReadAt: after(SENT, ms) })))).toEqual({ afterMs: 0, beforeMs: 1 })
})

test('an "unread" before the send says nothing', () => {
  expect(toElapsedBracket(toTaskBracket(row({ lastUnreadAt: after(SENT, -5) })))).toEqual({ afterMs: 0, beforeMs: null })
})

test('brackets that contradict themselves are those of the last millisecond', () => {
  const seen = row({ lastUnreadAt: minutesLater(9), firstReadAt: minutesLater(3) })
  expect(toElapsedBracket(toTaskBracket(seen))).toEqual({ afterMs: 179_999, beforeMs: 180_000 })
})

test('under TIME_SCALE a minute of tracking counts as a day', () => {
  const window = { sentAt: SENT, deadlineAt: minutesLater(1) }
  expect(sinceSendMs(minutesLater(1), window)).toBe(QUERY_WINDOW_MS)
  expect(sinceSendMs(after(SENT, 30_000), window)).toBe(QUERY_WINDOW_MS / 2)
  expect(toElapsedBracket(toTaskBracket(row({ ...window, lastUnreadAt: after(SENT, 15_000), firstReadAt: after(SENT, 30_000) })))).toEqual({
    afterMs: QUERY_WINDOW_MS / 4,
    beforeMs: QUERY_WINDOW_MS / 2,
  })
})

test('whatever the row: the lower end is at the send or later, and below the upper end', () => {
  const aTime = fc.option(fc.integer({ min: -100_000, max: 100_000_000 }).map((ms) => after(SENT, ms)))
  const anyRow = fc
    .record({ lastUnreadAt: aTime, firstReadAt: aTime, windowMs: fc.constantFrom(QUERY_WINDOW_MS, 60_000, 600_000) })
    .map(({ windowMs, ...columns }) => row({ ...columns, deadlineAt: after(SENT, windowMs) }))
  holds(
    fc.property(anyRow, (columns) => {
      const { afterMs, beforeMs } = toElapsedBracket(toTaskBracket(columns))
      expect(afterMs).toBeGreaterThanOrEqual(0)
      expect(beforeMs ?? Infinity).toBeGreaterThan(afterMs)
    }),
  )
})
