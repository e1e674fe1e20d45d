import { InvalidArgumentError } from 'commander'
import { createCalendar } from '../app/calendar.ts'
import type { Config } from '../app/config/config.ts'
import { withTimeout } from '../lib/timeout.ts'
import { MAX_TASK_POLLS, MAX_TASK_RECIPIENTS, type ScheduleReport, type ScheduleRequest } from '../report/schedule.ts'
import type { BacktestReport } from '../report/schedule-backtest.ts'
import type { AddCommand } from './command.ts'
import type { Context } from './context.ts'
import { configWithEmbedded, requireDatabase } from './embedded.ts'
import { parseNumber } from './options.ts'
import type { Display } from './rates.ts'
import { CLOSE_TIMEOUT_MS } from './reads.ts'
import { parseSentAt, SENT_AT } from './sent-at.ts'
import { describeBacktest } from './text/backtest.ts'
import { type Fact, joinSections, renderFacts } from './text/layout.ts'
import { attentionBars, scheduledPollsTable, schedulePlot, timeOfDay } from './text/schedule.ts'
import { plainText } from './text/table.ts'
import { showDuration, showTime } from './text/time.ts'

interface ScheduleCommand {
  readonly app?: string
  readonly sentAt?: string
  readonly recipients?: number
  readonly polls?: number
  readonly json?: boolean
  readonly backtest?: boolean
}

const EXAMPLES = `
Examples:
  $ npx dingtalk-delivery schedule
  $ npx dingtalk-delivery schedule --sent-at 2026-11-27T17:00:00+08:00 --recipients 50 --polls 12
  $ npx dingtalk-delivery schedule --backtest`

export const addSchedule: AddCommand = (program, context, run) => {
  program
    .command('schedule')
    .description('when a message would be polled and why then: what was learned of when people read, the plan, what it costs')
    .option('--app <name>', 'the app, where several have tasks')
    .option('--sent-at <time>', `when the message is sent: ${SENT_AT} (default: now)`)
    .option(
      '--recipients <n>',
      `recipients of the task, at most ${MAX_TASK_RECIPIENTS} (default: the median of the app's latest tasks)`,
      (text) => parseNumber(text, 1, MAX_TASK_RECIPIENTS, true),
    )
    .option('--polls <n>', 'polls of the task, the final one included (default: as the settings say)', (text) =>
      parseNumber(text, 1, MAX_TASK_POLLS, true),
    )
    .option('--json', 'print it as JSON')
    .option('--backtest', 'compare the polls of past tasks with those that would have been learned')
    .addHelpText('after', EXAMPLES)
    .action(
      run(async ({ json = false, backtest = false, ...request }: ScheduleCommand) => {
        if (backtest) refuseWithBacktest(request)
        await withSchedules(context, async (schedules, config) => {
          const print = <T>(report: T, describe: (report: T, display: Display) => string): void =>
            context.print(json ? JSON.stringify(report, null, 2) : describe(report, context))
          if (backtest) return print(await schedules.backtest(request.app), describeBacktest)
          const { sentAt: text, ...others } = request
          const sentAt = text === undefined ? undefined : parseSentAt(text, createCalendar(config.schedule.calendar, config.timeScale))
          print(await schedules.reader.schedule({ ...others, sentAt }), describeSchedule)
        })
      }),
    )
}

function refuseWithBacktest({ sentAt, recipients, polls }: ScheduleCommand): void {
  const given = Object.entries({ '--sent-at': sentAt, '--recipients': recipients, '--polls': polls }).find(
    ([, value]) => value !== undefined,
  )
  if (given === undefined) return
  throw new InvalidArgumentError(`${given[0]} is for a plan: leave it out beside --backtest, which is about tasks of the past.`)
}

interface Schedules {
  readonly reader: { schedule(request: ScheduleRequest): Promise<ScheduleReport> }
  backtest(app: string | undefined): Promise<BacktestReport>
}

async function withSchedules(context: Context, work: (schedules: Schedules, config: Config) => Promise<void>): Promise<void> {
  const config = await configWithEmbedded(context)
  const databaseUrl = requireDatabase(config)
  const { openSchedules } = await import('../app/operations.ts')
  const { close, ...schedules } = openSchedules(databaseUrl, config, context.now)
  try {
    await work(schedules, config)
  } finally {
    await withTimeout(CLOSE_TIMEOUT_MS, close()).catch(() => undefined)
  }
}

export function describeSchedule(report: ScheduleReport, display: Display): string {
  return joinSections(
    [
      { text: renderFacts(scheduleFacts(report), display), spare: 0 },
      { text: schedulePlot(report, display), spare: 0 },
      { text: attentionBars(report, display), spare: 1 },
      { text: scheduledPollsTable(report, display), spare: 2 },
    ],
    display.height,
  )
}

function scheduleFacts(report: ScheduleReport): Fact[] {
  const { app, sentAt, recipients, recipientsFrom, polls, expectedCalls, price, widthMs, growingWidthMs, meanDelayMs, longestGapMs } =
    report
  const day = report.hours[0]?.isFreeDay === true ? 'free day' : 'work day'
  return [
    ['App', app === null ? null : plainText(app)],
    ['Sent', `${showTime(sentAt)}; ${timeOfDay(report, 0)} of a ${day} at the organisation`],
    ['Recipients', `${recipients}${RECIPIENTS[recipientsFrom]}`],
    ['When read', describeLaw(report)],
    ['Polls', `${polls.length}, ${describePlacing(report)}`],
    [
      'Calls',
      `about ${expectedCalls.toFixed(1)}, at most ${polls.length} without retries${price === null ? '' : `; a call costs ${price.toFixed(1)} min of bracket × √recipients`}`,
    ],
    ['Bracket', `${showDuration(widthMs)} in the mean; ${showDuration(growingWidthMs)} with growing gaps and as many polls`],
    ['Seen after', `${showDuration(meanDelayMs)} in the mean, from a read to the poll that shows it`],
    ['Longest gap', showDuration(longestGapMs)],
  ]
}

const RECIPIENTS = {
  task: '',
  given: '',
  median: ", the median of the app's latest tasks",
  assumed: ', an assumption: give --recipients',
} as const

function describeLaw({ law: { kind, tasks, people, lastSentAt, learnedAt } }: ScheduleReport): string {
  const count = (number: number, what: string): string => `${number.toLocaleString('en')} ${what}${number === 1 ? '' : 's'}`
  const learned = `learned ${showTime(learnedAt)}`
  switch (kind) {
    case 'learned':
      return `learned from ${count(tasks, 'task')} of ${count(people, 'recipient')}, last sent ${showTime(lastSentAt)}; before that the prior\n${learned}`
    case 'pooled':
      return `from the tasks of the other apps, since none of this app has ended\n${learned}`
    case 'prior':
      return 'the prior, which assumes office hours: no task has ended, or the worker has not learned from one yet'
    default:
      return kind satisfies never
  }
}

function describePlacing({ placedBy }: ScheduleReport): string {
  switch (placedBy) {
    case 'learned':
    case 'prior':
    case 'law':
      return 'placed where they narrow the brackets most'
    case 'custom':
      return 'as POLL_TIMES says'
    case 'growing':
      return 'with growing gaps, as SCHEDULE says: when people read does not move them'
    case 'assumed_send_time':
      return 'early, late and even, since the send time was assumed'
    case 'not_admitted':
      return 'since the monthly call budget had no call left for the final poll'
    default:
      return placedBy satisfies never
  }
}
