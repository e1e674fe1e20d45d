import { z } from 'zod'
import { PLACED_BY } from '../../domain/schedule/plan-detail.ts'
import { RECIPIENTS_FROM, type ScheduleReport } from '../../report/schedule.ts'
import { app, assertOneTarget, polls, sentAt, strictQuery, targetWidth, taskRecipients } from './parameters.ts'
import { type Api, type ApiDeps, json, operation, READ } from './route.ts'
import { component, count, list, orNull, type Schema, share, text, time } from './schemas.ts'

const hourly = list(z.number().meta({ minimum: 0 }))
const windowMs = (description: string): Schema<number> =>
  z.number().meta({ minimum: 0, description: `${description} Milliseconds of the 24-hour window.` })

const Schedule = component<ScheduleReport>(
  'Schedule',
  z.object({
    app: orNull(text(), 'Null: there is no app yet.'),
    sentAt: time(),
    recipients: count(),
    recipientsFrom: z.enum(RECIPIENTS_FROM).describe("given: asked for. median: of the app's latest tasks. assumed: the app has no task."),
    placedBy: z.enum(PLACED_BY).describe('Where the polls come from.'),
    law: z.object({
      kind: z
        .enum(['learned', 'pooled', 'prior'])
        .describe('learned: from tasks of the app. pooled: from those of the other apps. prior: assumed, before there is any.'),
      version: orNull(count(), 'What a plan names; null for the prior.'),
      tasks: count('Ended tasks of the app from which it was learned.'),
      people: count('Delivered recipients of these.'),
      lastSentAt: orNull(time(), 'When the latest of these tasks was sent.'),
      learnedAt: orNull(time()),
      attention: z
        .object({ work: hourly, free: hourly })
        .describe('Of a minute in each hour of work days and of free days; 1 is the average of a work day.'),
    }),
    polls: list(
      z.object({
        offsetMs: windowMs('Since the send.'),
        at: time(),
        gapMs: windowMs('Since the poll before it, or the send.'),
        readShare: share,
        newShare: share,
        isFinal: z.boolean(),
      }),
    ).describe('Ascending. `readShare`: of the recipients, expected to have read by then; `newShare`: since the poll before.'),
    expectedCalls: z.number().meta({ minimum: 0, description: 'A task ends with the poll that lists its last recipient as read.' }),
    price: orNull(z.number(), 'What a call cost where a budget decided about the number of polls.'),
    widthMs: windowMs('The expected mean bracket of those who read.'),
    growingWidthMs: windowMs('The same of as many polls with growing gaps.'),
    meanDelayMs: windowMs('From a read to the poll that shows it, in the mean.'),
    longestGapMs: windowMs('Between two polls, or the send and the first one.'),
    curve: list(z.object({ offsetMs: windowMs('Since the send.'), share })).describe(
      'The share that is expected to have read, each quarter of an hour.',
    ),
    hours: list(
      z.object({
        hour: count("Of the organisation's clock, 0 to 23."),
        offsetMs: z
          .number()
          .describe('Where it begins, since the send, in milliseconds of the 24-hour window; the first one began before.'),
        isFreeDay: z.boolean(),
        attention: z.number().meta({ minimum: 0 }),
      }),
    ).describe('The hours in the window.'),
  }),
  'When a task is polled, and why then.',
)

/** When a message would be polled, and why then. */
export function addScheduleRoutes(api: Api, { schedules }: Pick<ApiDeps, 'schedules'>): void {
  api.get(
    '/v1/schedule',
    {
      config: READ,
      schema: {
        querystring: strictQuery({ app, sentAt, recipients: taskRecipients, polls, targetWidth }),
        ...operation(
          'getSchedule',
          'The polls that a task would get: when, why then, what they cost and how narrow the brackets get',
          json(Schedule),
          404,
          409,
        ),
      },
    },
    ({ query }) => {
      assertOneTarget(query)
      const { targetWidth: targetWidthMs, ...request } = query
      return schedules.schedule({ ...request, targetWidthMs })
    },
  )
}
