import { z } from 'zod'
import { loadComparison } from '../../report/compare.ts'
import { app, campaignName, comparedCampaigns, cursor, department, limit, search, strictQuery, userId } from './parameters.ts'
import { type Api, type ApiDeps, answerShared, json, NAMES, operation, READ, ratesFor } from './route.ts'
import { Compared, InDepartment, list, page, SentTo, Someone } from './schemas.ts'

/** What is asked over campaigns: people, what was sent to one of them, departments, and campaigns side by side. */
export function addDirectoryRoutes(api: Api, deps: ApiDeps): void {
  addPeople(api, deps)
  addPerson(api, deps)
  addDepartments(api, deps)
  addComparison(api, deps)
}

const ONE_PERSON = z.object({ userId })

function addPeople(api: Api, deps: ApiDeps): void {
  api.get(
    '/v1/people',
    {
      config: NAMES,
      schema: {
        querystring: strictQuery({ app, search, department, limit, cursor }),
        ...operation(
          'listPeople',
          'People whose name or department is known, by app and user id',
          json(page({ people: list(Someone) })),
          403,
        ),
      },
    },
    async ({ caller, query }) => {
      const { items, nextCursor } = await ratesFor(deps, { caller }).people(query)
      return { people: items, nextCursor }
    },
  )
}

function addPerson(api: Api, deps: ApiDeps): void {
  api.get(
    '/v1/people/:userId',
    {
      config: READ,
      schema: {
        params: ONE_PERSON,
        querystring: strictQuery({ app }),
        ...operation(
          'getPerson',
          'Who has a user id: an entry for each app that knows the name or sent to it',
          json(z.object({ people: list(Someone) })),
          404,
        ),
      },
    },
    async ({ caller, params, query }) => ({ people: await ratesFor(deps, { caller }).person({ ...params, ...query }) }),
  )
  api.get(
    '/v1/people/:userId/tasks',
    {
      config: READ,
      schema: {
        params: ONE_PERSON,
        querystring: strictQuery({ app, limit, cursor }),
        ...operation(
          'listPersonTasks',
          'Everything that was sent to a person, latest sent first, with the state in each task',
          json(page({ tasks: list(SentTo) })),
          404,
        ),
      },
    },
    async ({ caller, params, query: { app: named, ...slice } }) => {
      const rates = ratesFor(deps, { caller })
      const ref = { ...params, app: named }
      const { items, nextCursor } = await rates.personTasks(ref, slice)
      // An empty list must not mean a misspelt user id.
      if (items.length === 0) await rates.person(ref)
      return { tasks: items, nextCursor }
    },
  )
}

function addDepartments(api: Api, deps: ApiDeps): void {
  api.get(
    '/v1/campaigns/:name/departments',
    {
      config: NAMES,
      schema: {
        params: z.object({ name: campaignName }),
        querystring: strictQuery({ app }),
        ...operation(
          'listCampaignDepartments',
          'Read rates by department, in the order of the paths; people whose department is not known come last',
          json(z.object({ departments: list(InDepartment) })),
          403,
          404,
          409,
        ),
      },
    },
    async ({ caller, params, query }) => ({
      departments: await ratesFor(deps, { caller }).campaignDepartments({ campaign: params.name, ...query }),
    }),
  )
}

/** Not below `/v1/campaigns/`, where every name is that of a campaign. */
function addComparison(api: Api, { reads, now }: ApiDeps): void {
  api.get(
    '/v1/compare',
    {
      config: READ,
      schema: {
        querystring: strictQuery({ app, campaign: comparedCampaigns }),
        ...operation(
          'compareCampaigns',
          'Two to six campaigns side by side: rates, curves by the time since the send, time to read',
          json(z.object({ campaigns: list(Compared) })),
          404,
          409,
        ),
      },
    },
    ({ query: { campaign, app: named } }, reply) =>
      answerShared(reads, reply, async (shared) => ({
        campaigns: await loadComparison(
          shared,
          campaign.map((each) => ({ campaign: each, app: named })),
          now(),
        ),
      })),
  )
}
