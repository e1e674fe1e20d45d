import { beforeAll, describe, expect, test } from 'vitest'
import { describeCampaign } from '../../src/cli/campaign.ts'
import { describeTask } from '../../src/cli/task.ts'
import { aCampaignReport, aReport, aTask, displayOf, hoursLater, NOW, widestOf } from './support.ts'

beforeAll(() => {
  process.env['TZ'] = 'Asia/Shanghai'
})

const campaignFrame = (width: number): string => describeCampaign(aCampaignReport(), NOW, displayOf(width))

describe.each([60, 80, 120])('on %i columns', (width) => {
  test.each([
    ['a task that is tracked', describeTask(aReport(), NOW, displayOf(width))],
    [
      'a task that has ended',
      describeTask(aReport(aTask({ status: 'expired', nextPollAt: null }), hoursLater(40)), hoursLater(40), displayOf(width)),
    ],
    ['a campaign', campaignFrame(width)],
  ])('%s fits', (_, frame) => {
    // A command is to be copied, and is never broken.
    expect(widestOf(frame.replace(/^ .*npx dingtalk-delivery unread.*$/m, ''))).toBeLessThanOrEqual(width)
    expect(frame).not.toMatch(/\u00A0|(?!\n)\p{Cc}| $/mu)
  })
})

test('a task on 80 columns', () => {
  expect(describeTask(aReport(), NOW, displayOf(80))).toBe(
    `
Task         256271667526 of app default
Campaign     十一月工资单 payroll-11
Status       tracking
Sent         2026-11-23 09:00:00 +08:00, 10 h 30 min ago
Deadline     2026-11-24 09:00:00 +08:00, in 13 h 30 min
As of        2026-11-23 19:00:00 +08:00, 30 min ago
Read         66 of 87 delivered  ███████████████░░░░░  75.9%
Read of all  66 of 97 targeted  68.0%
Read curve   ▂▃▄▄▄▄▄▄▄▅▅▅▅▅▅▅▅▆▆▆▆▆▆▆▆▆▆·································
States       █████████████████████████████████████████▒▒▒▒▒▒▒▒▒▒▒▒▒···××!
             █ 66 read  ▒ 21 unread  · 5 pending  × 4 forbidden  ! 1 failed

Time to read a quarter had read between 3 min and 12 min after the send
             half had read between 12 min and 20 min
             three quarters had read between 7 h and 10 h
             nine in ten: not yet after 10 h; no later poll shows it
Read within  1 h: 50.6 to 55.2%  4 h: 63.2 to 69.0%  8 h: 69.0 to 75.9%
Forbidden    3 had reached the daily limit of messages (code 143105)
             1 had received the same text that day (code 143106)
Unread       21 as of 2026-11-23 19:00:00 +08:00: 036632523163121146,
             0366325231631211, 李伟.00012, manager4220, zhang.00044 and 16 more
             all of them: npx dingtalk-delivery unread 256271667526

Poll  At        Outcome            Read  Unread  Pending  Changed
  15  16:00:00  answered             60      27        5        5
  16  17:00:00  transient TIMEOUT     –       –        –        0
  17  19:00:00  answered             66      21        5        6

Polls        17, of which 16 succeeded
Next polls   in 19 min, in 2 h 39 min, in 5 h 30 min, … 5 in all
             the final poll in 13 h 24 min, 2026-11-24 08:53:43 +08:00
`.trim(),
  )
})

test('whoever is unread when a task has ended is so as of the last answer, and nothing is planned any more', () => {
  const frame = describeTask(
    aReport(aTask({ status: 'expired', reason: 'window_over', nextPollAt: null }), hoursLater(40)),
    hoursLater(40),
    displayOf(80),
  )
  expect(frame).toContain('As of        2026-11-23 19:00:00 +08:00, 30 h ago; later reads are not known')
  expect(frame).toContain('Unread       21 as of 2026-11-23 19:00:00 +08:00:')
  expect(frame).not.toContain('Next polls')
})

test('before the first answer nothing is said of reads', () => {
  const nobody = { read: 0, unread: 0, delivered: 0, readRate: null, failed: 0, forbidden: 0, pending: 97, readRateOfTargeted: 0 }
  const task = aTask({ ...nobody, lastObservedAt: null, polls: 0, goodPolls: 0 })
  const timeToRead = { people: 0, read: 0, method: 'polls', asOf: null, assumedSendTimes: 0, quantiles: [], within: [] } as const
  const frame = describeTask(
    aReport(task, NOW, { timeToRead, polls: [], curve: [], forbidden: [], people: [], unreadAsOf: null }),
    NOW,
    displayOf(80),
  )
  expect(frame).toMatch(/^As of +no successful poll yet$/m)
  expect(frame).toMatch(/^Read +0 of 0 delivered .* –$/m)
  expect(frame).toMatch(/^Time to read no person was delivered to so far$/m)
  expect(frame).not.toMatch(/^Unread|^Read curve/m)
})

test('of polls that are not planned as this command would, only the next and the last are told', () => {
  const frame = describeTask(aReport(aTask({ nextPollAt: hoursLater(11) })), NOW, displayOf(80))
  expect(frame).toMatch(/^Next polls +in 30 min, in 13 h 24 min\n +the final poll in 13 h 24 min, /m)
})

test('a poll that is long overdue asks for the worker', () => {
  const frame = describeTask(aReport(aTask({ nextPollAt: hoursLater(10) })), NOW, displayOf(80))
  expect(frame).toMatch(/^Next polls +overdue by 30 min: is a worker running\?\n +the final poll in 13 h 24 min, /m)
})

test.each([
  [18, ['Task ']],
  [24, ['Task ', 'Time to read']],
  [28, ['Task ', 'Time to read', 'Next polls']],
  [32, ['Task ', 'Time to read', 'Poll  At', 'Next polls']],
])('on a terminal of %i lines a task shows what matters most: %j', (height, shown) => {
  const frame = describeTask(aReport(), NOW, { ...displayOf(80), height })
  expect(frame.split('\n').length).toBeLessThanOrEqual(height)
  const all = ['Task ', 'Time to read', 'Poll  At', 'Next polls']
  expect(all.filter((begin) => frame.split('\n').some((line) => line.startsWith(begin)))).toEqual(shown)
})

test('a campaign names its people with a command that a shell understands, and how many tasks are not shown', () => {
  const frame = campaignFrame(120)
  expect(frame).toContain("all of them: npx dingtalk-delivery unread --campaign '十一月工资单 payroll-11'")
  expect(frame).toContain('… and 22 more: --by task lists all of them')
})

test('control characters of reasons, names and messages do not reach the terminal', () => {
  const task = aTask({ reasonCode: 'legacy', reasonDetail: { text: 'a\u001B[2Jb' }, campaign: 'x\u0007' })
  const people = aReport().people.map((person) => ({ ...person, userId: 'eve\u001B]0;' }))
  const frame = describeTask(aReport(task, NOW, { people }), NOW, displayOf(80))
  expect(frame.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u)
})

test('where names were removed, it says so and since when', () => {
  const frame = describeTask(aReport(aTask({ namesRemovedAt: hoursLater(24 * 91) })), NOW, displayOf(80))
  expect(frame).toMatch(/^Names {2,}removed 2027-02-22 .*; the figures stay$/m)
  expect(describeTask(aReport(), NOW, displayOf(80))).not.toMatch(/^Names/m)
})
