import { z } from 'zod'
import { PROBLEM_CODES } from '../../domain/problems.ts'
import { CALL_WARNINGS, type CallForecast } from '../../domain/schedule/call-forecast.ts'
import type { ResumedApp } from '../../polling/ports.ts'
import { resumeApp } from '../../polling/task-commands.ts'
import { type AppUsage, PAUSE_KINDS, type PairStatus, type WorkerProblem } from '../../report/rates.ts'
import { appName, strictQuery } from './parameters.ts'
import { type Api, type ApiDeps, json, operation, READ, rejectBody, WRITE } from './route.ts'
import { component, count, flag, list, openList, orNull, pause, problemDetail, share, text, time } from './schemas.ts'

/** An app with what the configuration of this server adds. */
interface AppAnswer extends AppUsage {
  readonly monthlyCallBudget: number | null
  readonly callForecast: Omit<CallForecast, 'app'> | null
}

const Pair = component<PairStatus>('Pair', z.object({ agentId: text(), ...pause }), 'An app with one agent id.')
const Worker = component<WorkerProblem>(
  'WorkerProblem',
  z.object({
    workerId: text('Random for each start of a worker.'),
    startedAt: time(),
    problemCode: openList(PROBLEM_CODES).describe('Why this worker cannot poll the app.'),
    problemDetail,
    problemSince: orNull(time()),
  }),
  'A running worker that cannot poll the app; others may.',
)
const Forecast = component<Omit<CallForecast, 'app'>>(
  'CallForecast',
  z.object({
    month: text('In China.'),
    budget: count('Calls a month, less those of other programs.'),
    used: count(),
    left: count(),
    reserved: count('Of those left: for final polls of open tasks, and a tenth of them for retries.'),
    planned: count('Polls that open tasks still have in their plans in this month.'),
    usedShare: share,
    monthShare: share,
    monthEndsAt: time(),
    readAt: time(),
    usedUpAt: orNull(time(), 'When the calls are used up if they go on as in the last 7 days. Null: they last until the month ends.'),
    endsEarly: flag('That is more than a day before the month ends.'),
    tasksAdmittable: count('How many more tasks can be given a call for their final poll.'),
    tasksExpected: count('How many more come in the month, if they come as in the last 7 days.'),
    tasksRefused: count('Open tasks that got no call for their final poll.'),
    warning: orNull(z.enum(CALL_WARNINGS), 'What threatens the polls of the app. Null: nothing.'),
  }),
  'How long the calls of the month last, and for how many tasks.',
)
const App = component<AppAnswer>(
  'App',
  z.object({
    app: text(),
    openTasks: count(),
    tasksWithProblem: count('Open tasks with a problem of their own.'),
    tasksDelayed: count('Open tasks whose next poll is later than planned.'),
    callsUsed: count('In this month, China time.'),
    month: text(),
    pauseKind: orNull(z.enum(PAUSE_KINDS)),
    pauseReason: orNull(text(), 'The same as `pauseCode`.'),
    ...pause,
    pairs: list(Pair),
    workerProblems: list(Worker),
    monthlyCallBudget: orNull(count(), 'Null: none is configured here.'),
    callForecast: orNull(Forecast, 'Null: there is no budget.'),
  }),
)
const Resumed = component<ResumedApp>(
  'ResumedApp',
  z.object({
    app: text(),
    tasks: count('Tasks that were brought forward.'),
    tasksWithoutBudget: count('Of these: delayed by the monthly call budget, which is not lifted.'),
  }),
)

/** Routes of apps. */
export function addAppRoutes(api: Api, { rates, tracking, forecastCalls }: ApiDeps): void {
  api.get(
    '/v1/apps',
    {
      config: READ,
      schema: {
        querystring: strictQuery({}),
        ...operation('listApps', 'Apps: calls used, budget, pauses and what to fix', json(z.object({ apps: list(App) }))),
      },
    },
    async () => ({ apps: withForecasts(await Promise.all([rates.apps(), forecastCalls()])) }),
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
}

function withForecasts([apps, forecasts]: readonly [readonly AppUsage[], readonly CallForecast[]]): AppAnswer[] {
  return apps.map((usage) => {
    const callForecast = forecasts.find(({ app }) => app === usage.app) ?? null
    return { ...usage, monthlyCallBudget: callForecast?.budget ?? null, callForecast }
  })
}
