import { z } from 'zod'
import { PLACED_BY } from '../../domain/schedule/plan-detail.ts'
import type { Forecast, ScheduleFigures } from '../../report/forecast.ts'
import { app, assertOneTarget, campaignRecipients, polls, sentAt, strictQuery, targetWidth } from './parameters.ts'
import { type Api, type ApiDeps, json, operation, READ } from './route.ts'
import { component, count, list, orNull, type Schema, share, text, time } from './schemas.ts'

const minutes = (description: string): Schema<number> =>
  z.number().meta({ minimum: 0, description: `${description} Minutes of the 24-hour window.` })

const figures = {
  polls: count('Of one task.'),
  calls: z.number().meta({ minimum: 0, description: 'Expected: a task ends with the poll that lists its last recipient as read.' }),
  callsAtMost: count('If no task ends early, without polls that fail and are repeated.'),
  meanBracketMinutes: minutes('Of those who read before the final poll: from the poll before the one that shows the read, to that one.'),
  meanDelayMinutes: minutes('From a read to the poll that shows it, in the mean.'),
  longestGapMinutes: minutes('Between two polls, or the send and the first one.'),
}
const compared: Schema<ScheduleFigures> = z.object(figures)

const Answer = component<Forecast>(
  'Forecast',
  z.object({
    app: orNull(text(), 'Null: no app is named, and there are several.'),
    sentAt: time(),
    recipients: count(),
    tasks: count('DingTalk reports at most 100 recipients of a task.'),
    batches: list(z.object({ tasks: count(), recipients: count(), polls: count() })).describe(
      'Full batches, and what is left over. With a monthly budget the smaller one may have fewer polls.',
    ),
    ...figures,
    placedBy: z.enum(PLACED_BY).describe('Where the polls come from.'),
    optimumMinutes: minutes('The least mean bracket that as many polls can have.'),
    targetWidthMinutes: orNull(
      minutes('The mean bracket that was asked for, or is set.'),
      'Where `meanBracketMinutes` is larger, it is not reached.',
    ),
    pollsMinutes: list(minutes('Since the send.')).describe('Of one full batch, ascending, the final one last.'),
    reportAges: list(z.object({ minutes: minutes('Since the send.'), isCovered: z.boolean() })).describe(
      'Covered: a poll shows the share of readers at that age.',
    ),
    readWithin: list(z.object({ hours: count('Since the send.'), share })).describe('The share that is expected to have read.'),
    law: z
      .object({
        kind: z
          .enum(['law', 'learned', 'pooled', 'prior'])
          .describe('learned: from tasks of the app. pooled: from those of the other apps. prior: assumed, before there is any.'),
        version: orNull(count(), 'What plans name; null for the prior.'),
        tasks: count('Ended tasks of the app from which it was learned.'),
        people: count('Delivered recipients of these.'),
        lastSentAt: orNull(time(), 'When the latest of these tasks was sent.'),
        learnedAt: orNull(time()),
      })
      .describe('When recipients read.'),
    compare: z
      .object({ learned: compared, growing: compared, backOff: compared, hourly: compared, quarterHourly: compared })
      .describe(
        'The same campaign with other schedules. learned: as many polls, placed by the law. growing: as many, in growing gaps. backOff: after a minute, then each gap 1.5 times the one before. hourly, quarterHourly: each 60 and 15 minutes.',
      ),
    price: orNull(z.number(), 'What a call cost where a budget decided about the number of polls.'),
    budget: orNull(
      z.object({
        monthlyCallBudget: count(),
        callsUsed: orNull(count(), 'In the month of the send so far; null: it is another month.'),
        share: z.number().meta({ minimum: 0, description: "Expected calls of the campaign, as a share of the month's." }),
        isEnough: orNull(z.boolean(), 'What is left of the month has room for all calls; null: not known.'),
      }),
      'Null: none is configured here.',
    ),
  }),
  'What a campaign will cost and tell.',
)

/** Planning a campaign. */
export function addForecastRoutes(api: Api, { forecast }: Pick<ApiDeps, 'forecast'>): void {
  api.get(
    '/v1/forecast',
    {
      config: READ,
      schema: {
        querystring: strictQuery({ app, sentAt, polls, targetWidth, recipients: campaignRecipients }),
        ...operation(
          'getForecast',
          'What a campaign will cost and tell: calls, how exactly the times of reads become known, when it is polled. Nothing is sent or called',
          json(Answer),
          404,
          409,
        ),
      },
    },
    ({ query }) => {
      assertOneTarget(query)
      const { targetWidth: targetWidthMs, ...request } = query
      return forecast({ ...request, targetWidthMs })
    },
  )
}
