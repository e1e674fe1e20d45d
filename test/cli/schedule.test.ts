import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeSchedule } from '../../src/cli/schedule.ts'
import { describeBacktest } from '../../src/cli/text/backtest.ts'
import { HOUR_MS, MINUTE_MS } from '../../src/domain/delivery.ts'
import type { Backtest } from '../../src/domain/schedule/backtest.ts'
import { curveOf } from '../../src/domain/schedule/curve.ts'
import { PRIOR_LAW } from '../../src/domain/schedule/prior.ts'
import { buildScheduleReport, type ScheduleParts } from '../../src/report/schedule.ts'
import type { BacktestReport } from '../../src/report/schedule-backtest.ts'
import { createLaws } from '../../src/store/laws.ts'
import { even, NIGHT, observe, sendAt, UTC } from '../domain/schedule/population.ts'
import { openTestStore, type TestStore } from '../store/support/database.ts'
import { storeEndedTasks, toLatestWeeks } from '../store/support/ended-tasks.ts'
import { runCommand } from '../support/commands.ts'
import { urlAs } from '../support/roles.ts'
import { displayOf, widestOf } from './support.ts'

const SENT = new Date('2026-11-24T09:30:00Z')
const LEARNED = { version: 7, tasks: 312, people: 14_002, lastSentAt: SENT, learnedAt: SENT }

function aReport(fields: Partial<ScheduleParts> = {}) {
  return buildScheduleReport({
    ...{ app: 'hr', sentAt: SENT, recipients: 40, recipientsFrom: 'given', placedBy: 'learned', price: null, calendar: UTC, timeScale: 1 },
    law: { kind: 'learned', ...LEARNED, attention: PRIOR_LAW.attention },
    curve: curveOf(PRIOR_LAW, SENT, UTC),
    offsetsMs: [10 * MINUTE_MS, 15 * MINUTE_MS, 4 * HOUR_MS, 1_431.5 * MINUTE_MS],
    ...fields,
  })
}
const shown = (fields: Partial<ScheduleParts> = {}, width = 80): string => describeSchedule(aReport(fields), displayOf(width))

describe('the schedule of a message', () => {
  test('names law, sample and date, and what the plan costs and brings', () => {
    const text = shown({}, 200)
    expect(text).toMatch(/^When read +learned from 312 tasks of 14,002 recipients, last sent 2026-11-24/m)
    expect(text).toContain('before that the prior')
    expect(text).toMatch(/^Polls +4, placed where they narrow the brackets most$/m)
    expect(text).toMatch(/^Calls +about 4\.0, at most 4 without retries$/m)
    expect(text).toMatch(/^Bracket +\d.* in the mean; \d.* with growing gaps and as many polls$/m)
    expect(text).toMatch(/^Longest gap +19 h 52 min$/m)
    expect(text).toMatch(/^Sent +2026-11-24 .*; 09:30 of a work day at the organisation$/m)
  })

  test.each([
    [{ law: { kind: 'pooled', ...LEARNED, tasks: 0, attention: PRIOR_LAW.attention } }, /from the tasks of the other apps/],
    [{ law: { kind: 'prior', ...LEARNED, attention: PRIOR_LAW.attention } }, /the prior, which assumes office hours/],
    [{ placedBy: 'growing' }, /with growing gaps, as SCHEDULE says/],
    [{ placedBy: 'custom' }, /as POLL_TIMES says/],
    [{ recipientsFrom: 'median' }, /40, the median of the app's latest tasks/],
    [{ recipientsFrom: 'assumed' }, /40, an assumption: give --recipients/],
    [{ price: 3.25 }, /a call costs 3\.3 min of bracket/],
  ] satisfies ReadonlyArray<readonly [Partial<ScheduleParts>, RegExp]>)('%j is said', (fields, text) => {
    expect(shown(fields).replaceAll(/\n +/g, ' ')).toMatch(text)
  })

  test('its plot rises from left to right and has a mark for each poll', () => {
    const lines = shown().split('\n')
    const top = lines.findIndex((line) => line.startsWith('100%'))
    const heights = Array.from(
      { length: 75 },
      (_, column) => lines.slice(top, top + 6).filter((line) => (line[column + 5] ?? ' ') !== ' ').length,
    )
    expect(heights.every((height, i) => height >= (heights[i - 1] ?? 0))).toBe(true)
    expect(heights.at(-1)).toBeGreaterThan(3)
    // The first two polls are in one column.
    expect(lines[top + 6]).toMatch(/^poll 2·{11}▲·+▲$/)
    expect(lines[top + 7]).toMatch(/^ +12:00 +15:00 +18:00 +21:00 +00:00 +03:00 +06:00$/)
  })

  test('its table has each poll with the time at the organisation', () => {
    expect(shown()).toMatch(/^ +2 +09:45 +15 min +5 min +\d+\.\d% +\d+\.\d%$/m)
    expect(shown()).toMatch(/^ +4 +09:22 \+1 +23 h 52 min +19 h 52 min +\d+\.\d% +\d+\.\d%$/m)
  })

  test.each([40, 60, 80, 120])('it fits a terminal of %i columns', (width) => {
    expect(widestOf(shown({}, width))).toBeLessThanOrEqual(width)
  })
})

describe('a backtest in words', () => {
  const RESULT: Backtest = {
    ...{ tasks: 240, reads: 7_880, storedCalls: 5_760, plannedCalls: 5_700, ratio: 0.7 },
    ...{ storedWidthMs: 30 * MINUTE_MS, plannedWidthMs: 21 * MINUTE_MS, plannedAtLeastMs: 17 * MINUTE_MS, plannedAtMostMs: 28 * MINUTE_MS },
  }
  const REPORT: BacktestReport = { app: 'hr', tasks: 300, tasksNeeded: 25, firstSentAt: SENT, lastSentAt: SENT, result: RESULT }
  const said = (result: Partial<Backtest> | null, fields: Partial<BacktestReport> = {}) =>
    describeBacktest({ ...REPORT, result: result === null ? null : { ...RESULT, ...result }, ...fields }, displayOf(1_000))

  test('has both brackets, the gain, and how sure it is', () => {
    const text = said({})
    expect(text).toContain('Bracket as polled: 30 min in the mean over 7,880 reads, with 5,760 successful polls.')
    expect(text).toContain('Bracket with learned polls: about 21 min, with at most 5,700 polls. That is 30% narrower.')
    expect(text).toContain('How sure: certain in its direction for these tasks.')
    expect(text).toContain('between 17 min and 28 min')
  })

  test.each([
    [{ plannedAtMostMs: 50 * MINUTE_MS }, /How sure: likely/],
    [{ plannedAtMostMs: 50 * MINUTE_MS, plannedWidthMs: 30 * MINUTE_MS }, /no difference\.\nHow sure: open/],
    [{ plannedWidthMs: 36 * MINUTE_MS, plannedAtLeastMs: 31 * MINUTE_MS }, /20% wider/],
    [{ tasks: 30 }, /With 30 compared tasks, a few unusual ones may decide\./],
    [{ storedWidthMs: null }, /None of their recipients was observed as read/],
  ])('%j', (result, text) => {
    expect(said(result)).toMatch(text)
  })

  test('of too few tasks says how many are needed', () => {
    expect(said(null, { tasks: 1 })).toMatch(/^Too few tasks: 1 of app hr has ended .*, and 25 are needed\./)
  })
})

describe('the command', () => {
  let db: TestStore
  beforeAll(async () => {
    db = await openTestStore()
    const tasks = [0, 1, 2].map((day) => observe(sendAt(day, 10), [HOUR_MS, 2 * HOUR_MS], even(6)))
    await storeEndedTasks(db, toLatestWeeks(tasks), { app: 'hr' })
    await createLaws(db).add('hr', { law: NIGHT, tasks: 3, people: 6, lastSentAt: SENT, learnedAt: SENT })
  })
  afterAll(() => db.close())
  // It needs no more than the rights of `delivery_read`.
  const run = (...args: string[]) =>
    runCommand(['schedule', ...args], { env: { DATABASE_URL: urlAs('read', db.url), SCHEDULE: 'learned', ORGANISATION_TIME_ZONE: 'UTC' } })

  test('shows the plan of the only app', async () => {
    const { code, stdout, stderr } = await run('--sent-at', '2026-11-24 10:00', '--polls', '8')
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/^App +hr$/m)
    expect(stdout).toMatch(/^When read +learned from 3 tasks of 6 recipients/m)
    expect(stdout).toMatch(/^Recipients +2, the median/m)
    expect(stdout).toMatch(/^ +8 +09:52 \+1 +23 h 52 min/m)
  })

  test('gives the same as JSON', async () => {
    const { stdout } = await run('--json', '--recipients', '5', '--polls', '8', '--sent-at', '2026-11-24T18:00:00+08:00')
    const report: unknown = JSON.parse(stdout)
    expect(report).toMatchObject({
      polls: { length: 8 },
      app: 'hr',
      sentAt: '2026-11-24T10:00:00.000Z',
      recipients: 5,
      placedBy: 'learned',
      law: { tasks: 3 },
    })
  })

  test('compares past tasks once there are enough', async () => {
    const { code, stdout } = await run('--backtest')
    expect([code, stdout]).toEqual([0, expect.stringContaining('Too few tasks: 3 of app hr have ended')])
    expect(JSON.parse((await run('--backtest', '--json')).stdout)).toMatchObject({ app: 'hr', tasks: 3, result: null })
  })

  test.each([
    [['--recipients', '101'], 2, /recipients/],
    [['--polls', '0'], 2, /polls/],
    [['--sent-at', '10:00'], 1, /ISO 8601/],
    [['--backtest', '--polls', '5'], 2, /--polls is for a plan/],
    [['--app', 'hrr'], 1, /No app "hrr" is configured or has a task. Known: hr\./],
  ])('%j is refused', async (args, code, message) => {
    const refused = await run(...args)
    expect([refused.code, refused.stdout]).toEqual([code, ''])
    expect(refused.stderr).toMatch(message)
  })

  test('without a database it says what is missing', async () => {
    const { code, stderr } = await runCommand(['schedule'])
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^error: DATABASE_URL is not set\..*\n$/)])
  })
})
