import type { FastifyInstance } from 'fastify'
import type { Tracking } from '../../polling/ports.ts'
import { resumeApp } from '../../polling/task-commands.ts'
import { addEndpoint } from './endpoint.ts'
import { app, since, until } from './parameters.ts'
import { type AppAnswer, listOf, ref } from './schemas.ts'
import { answerShared, type CampaignReads } from './shared.ts'
import { assertNoBody } from './tasks.ts'

/** What is asked of everything together. */
export interface OverallRoutes extends CampaignReads {
  readonly tracking: Tracking
  /** Monthly call budgets by app. */
  readonly budgets: ReadonlyMap<string, number>
}

export function addOverallRoutes(scope: FastifyInstance, { rates, reads, tracking, budgets }: OverallRoutes): void {
  addEndpoint(scope, {
    method: 'GET',
    path: '/v1/time-to-read',
    id: 'getTimeToRead',
    summary: 'When people read, over everything that an app (or all apps) sent in a time',
    query: { app, since, until },
    answer: ref('TimeToRead'),
    failures: [],
    handle: ({ query, reply }) => answerShared(reads, reply, (shared) => shared.timeToRead(query)),
  })
  addEndpoint(scope, {
    method: 'GET',
    path: '/v1/apps',
    id: 'listApps',
    summary: 'Apps: calls used, budget, pauses and what to fix',
    query: {},
    answer: listOf('apps', 'App'),
    failures: [],
    async handle() {
      const apps = await rates.apps()
      return { apps: apps.map((each): AppAnswer => ({ ...each, monthlyCallBudget: budgets.get(each.app) ?? null })) }
    },
  })
  addEndpoint(scope, {
    method: 'POST',
    path: '/v1/apps/:app/resume',
    id: 'resumeApp',
    summary:
      'Lifts all pauses of an app, a used-up quota included, and polls its delayed tasks at once. The rate limit and the monthly call budget are not lifted',
    query: {},
    answer: ref('ResumedApp'),
    failures: [404, 415],
    handle({ param, request }) {
      assertNoBody(request.body)
      return resumeApp(rates, tracking.resuming, param('app'))
    },
  })
  addEndpoint(scope, {
    method: 'GET',
    path: '/v1/attention',
    id: 'listAttention',
    summary: 'Tasks that do not go as planned, nearest deadline first',
    query: {},
    answer: listOf('tasks', 'TaskAtRisk'),
    failures: [],
    handle: async () => ({ tasks: await rates.attention() }),
  })
}
