import type { FastifyInstance } from 'fastify'
import { addEndpoint } from './endpoint.ts'
import { app, since, until } from './parameters.ts'
import { type AppAnswer, listOf, ref } from './schemas.ts'
import { answerShared, type CampaignReads } from './shared.ts'

/** What is asked of everything together. */
export function addOverallRoutes(
  scope: FastifyInstance,
  { rates, reads, budgets }: CampaignReads & { readonly budgets: ReadonlyMap<string, number> },
): void {
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
