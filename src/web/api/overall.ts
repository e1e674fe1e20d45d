import { z } from 'zod'
import { resumeApp } from '../../polling/task-commands.ts'
import { app, appName, since, strictQuery, until } from './parameters.ts'
import { type Api, type ApiDeps, answerShared, failures, ok, rejectBody } from './route.ts'
import { App, AtRisk, list, Resumed, TimesToRead } from './schemas.ts'

/** Routes over all tasks, and of apps. */
export function addOverallRoutes(api: Api, { rates, reads, tracking, budgets }: ApiDeps): void {
  api.get(
    '/v1/time-to-read',
    {
      schema: {
        operationId: 'getTimeToRead',
        summary: 'When people read, over everything that an app (or all apps) sent in a time',
        querystring: strictQuery({ app, since, until }),
        response: { 200: ok(TimesToRead), ...failures() },
      },
    },
    ({ query }, reply) => answerShared(reads, reply, (shared) => shared.timeToRead(query)),
  )
  api.get(
    '/v1/apps',
    {
      schema: {
        operationId: 'listApps',
        summary: 'Apps: calls used, budget, pauses and what to fix',
        querystring: strictQuery({}),
        response: { 200: ok(z.object({ apps: list(App) })), ...failures() },
      },
    },
    async () => ({ apps: (await rates.apps()).map((usage) => ({ ...usage, monthlyCallBudget: budgets.get(usage.app) ?? null })) }),
  )
  api.post(
    '/v1/apps/:app/resume',
    {
      preHandler: rejectBody,
      schema: {
        operationId: 'resumeApp',
        summary:
          'Lifts all pauses of an app, a used-up quota included, and polls its delayed tasks at once. The rate limit and the monthly call budget are not lifted',
        params: z.object({ app: appName }),
        querystring: strictQuery({}),
        response: { 200: ok(Resumed), ...failures(404, 415) },
      },
    },
    ({ params }) => resumeApp(rates, tracking.resuming, params.app),
  )
  api.get(
    '/v1/attention',
    {
      schema: {
        operationId: 'listAttention',
        summary: 'Tasks that do not go as planned, nearest deadline first',
        querystring: strictQuery({}),
        response: { 200: ok(z.object({ tasks: list(AtRisk) })), ...failures() },
      },
    },
    async () => ({ tasks: await rates.attention() }),
  )
}
