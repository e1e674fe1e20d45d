import { z } from 'zod'
import { app, since, strictQuery, until } from './parameters.ts'
import { type Api, type ApiDeps, answerShared, json, operation, READ } from './route.ts'
import { AtRisk, list, TimesToRead } from './schemas.ts'

/** Routes over all tasks. */
export function addOverallRoutes(api: Api, { rates, reads }: ApiDeps): void {
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
