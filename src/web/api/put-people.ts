import { z } from 'zod'
import { parsePeopleRequest } from '../../intake/people.ts'
import { PEOPLE_SCHEMA } from '../../intake/people-schema.ts'
import { PEOPLE_LIMIT_BYTES } from '../body.ts'
import { strictQuery } from './parameters.ts'
import { type Api, type ApiDeps, json, operation, WRITE_NAMES } from './route.ts'
import { StoredPeople } from './schemas.ts'

/** The route that stores names and departments. */
export function addPeopleWriting(api: Api, { tracking }: ApiDeps): void {
  api.put(
    '/v1/people',
    {
      config: WRITE_NAMES,
      bodyLimit: PEOPLE_LIMIT_BYTES,
      // Fastify passes a missing body to the schema as null, which has another error message.
      preValidation: async ({ body }) => {
        if (body === undefined) parsePeopleRequest(body)
      },
      schema: {
        querystring: strictQuery({}),
        // `parsePeopleRequest` checks it, as for all ways to store people.
        body: z.unknown().meta(structuredClone(PEOPLE_SCHEMA)),
        ...operation(
          'putPeople',
          'Stores names, departments and managers of up to 1,000 people: all, or none. Repeating it is safe. People who were erased less than a day ago are left out, and counted',
          json(StoredPeople),
          403,
          413,
          415,
        ),
      },
    },
    async ({ body }) => {
      const request = parsePeopleRequest(body)
      return { app: request.app, ...(await tracking.putPeople(request)) }
    },
  )
}
