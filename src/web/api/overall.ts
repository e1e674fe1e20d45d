import { z } from 'zod'
import { resumeApp } from '../../polling/task-commands.ts'
import { app, appName, since, strictQuery, until } from './parameters.ts'
import { type Api, type ApiDeps, answerShared, json, operation, READ, rejectBody, WRITE } from './route.ts'
import { App, AtRisk, list, Resumed, TimesToRead } from './schemas.ts'

/** Routes over all tasks, and of apps. */
export function addOverallRoutes(api: Api, { rates, reads, tracking, forecastCalls }: ApiDeps): void {
  api.get(
    '/v1/time-to-read',
    {
      config: READ,
      schema: {
        querystring: strictQuery({ app, since, until }),
        ...operation('getTimeToRead', 'When people read, over everything that an app (or all apps) sent in a time', json(TimesToRead)),
      },
    },
    ({ query }, reply) => answerShared(reads, reply, (shared) => shared.timeToRead(query)),
  )
  api.get(
    '/v1/apps',
    {
      config: READ,
      schema: {
        querystring: strictQuery({}),
        ...operation('listApps', 'Apps: calls used, budget, pauses and what to fix', json(z.object({ apps: list(App) }))),
      },
    },
    async () => {
      const [apps, forecasts] = await Promise.all([rates.apps(), forecastCalls()])
      const forecastOf = new Map(forecasts.map(({ app, ...forecast }) => [app, forecast]))
      return {
        apps: apps.map((usage) => {
          const callForecast = forecastOf.get(usage.app) ?? null
          return { ...usage, monthlyCallBudget: callForecast?.budget ?? null, callForecast }
        }),
      }
    },
  )
  api.post(
    '/v1/apps/:app/resume',
    {
      config: WRITE,
      preHandler: rejectBody,
      schema: {
        params: z.object({ app: appName }),
        querystring: strictQuery({}),
        ...operation(
          'resumeApp',
          'Lifts all pauses of an app, a used-up quota included, and polls its delayed tasks at once. The rate limit and the monthly call budget are not lifted',
          json(Resumed),
          403,
          404,
          415,
        ),
      },
    },
    ({ params }) => resumeApp(rates, tracking.resuming, params.app),
  )
  api.get(
    '/v1/attention',
    {
      config: READ,
      schema: {
        querystring: strictQuery({}),
        ...operation('listAttention', 'Tasks that do not go as planned, nearest deadline first', json(z.object({ tasks: list(AtRisk) }))),
      },
    },
    async () => ({ tasks: await rates.attention() }),
  )
}
