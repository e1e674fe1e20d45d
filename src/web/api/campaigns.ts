import { z } from 'zod'
import { app, campaign, campaignName, cursor, department, format, limit, search, since, state, strictQuery, until } from './parameters.ts'
import { CSV, sendCampaignCsv } from './people.ts'
import {
  type Api,
  type ApiDeps,
  answerShared,
  assertMayFilter,
  type ErrorStatus,
  json,
  operation,
  READ,
  ratesFor,
  withApp,
} from './route.ts'
import { Campaign, Curve, Forbidden, InCampaign, list, page, TimesToRead } from './schemas.ts'

const ONE_CAMPAIGN = { params: z.object({ name: campaignName }), querystring: strictQuery({ app }) }

/** The schema of a route that reads one campaign. */
const ofCampaign = <Content>(operationId: string, summary: string, content: Content, ...statuses: readonly ErrorStatus[]) => ({
  ...ONE_CAMPAIGN,
  ...operation(operationId, summary, content, 404, 409, ...statuses),
})

export function addCampaignRoutes(api: Api, deps: ApiDeps): void {
  addCampaignReads(api, deps)
  addSharedReads(api, deps)
}

function addCampaignReads(api: Api, deps: ApiDeps): void {
  const { rates } = deps
  api.get(
    '/v1/campaigns',
    {
      config: READ,
      schema: {
        querystring: strictQuery({ app, campaign, search, since, until, limit, cursor }),
        ...operation(
          'listCampaigns',
          'Campaigns with their figures, latest sent first. People in several tasks count once',
          json(page({ campaigns: list(Campaign) })),
        ),
      },
    },
    async ({ query }) => {
      const { items, nextCursor } = await rates.campaigns(query)
      return { campaigns: items, nextCursor }
    },
  )
  api.get(
    '/v1/campaigns/:name',
    { config: READ, schema: ofCampaign('getCampaign', 'One campaign: counts and rates', json(Campaign)) },
    ({ params, query }) => rates.campaign({ campaign: params.name, ...query }),
  )
  api.get(
    '/v1/campaigns/:name/recipients',
    {
      config: READ,
      schema: {
        ...ofCampaign(
          'listCampaignRecipients',
          'All people of a campaign by user id, each once, with the best state',
          { ...json(page({ recipients: list(InCampaign) })), ...CSV },
          403,
        ),
        querystring: strictQuery({ app, state, search, department, limit, cursor, format }),
      },
    },
    async (request, reply) => {
      const { params, query } = request
      const { app: named, format: wanted, ...filter } = query
      assertMayFilter(request, filter)
      const visible = ratesFor(deps, request)
      const ref = { campaign: params.name, app: named }
      if (wanted === 'csv') return sendCampaignCsv(reply, visible, ref, filter)
      const { items, nextCursor } = await visible.campaignRecipients(ref, filter)
      return { recipients: items, nextCursor }
    },
  )
}

/** Routes whose answers are costly. */
function addSharedReads(api: Api, { reads }: ApiDeps): void {
  api.get(
    '/v1/campaigns/:name/curve',
    {
      config: READ,
      schema: ofCampaign('getCampaignCurve', 'How many people had read by when, and the bounds between the polls', json(Curve)),
    },
    ({ params, query }, reply) =>
      answerShared(reads, reply, async (shared) => {
        const ref = await withApp(shared, { campaign: params.name, ...query })
        const [curve, { bounds }] = await Promise.all([shared.campaignCurve(ref), shared.readTimes(ref)])
        return { curve, bounds }
      }),
  )
  api.get(
    '/v1/campaigns/:name/time-to-read',
    {
      config: READ,
      schema: ofCampaign(
        'getCampaignTimeToRead',
        'When people read, over all tasks of the campaign: quantiles and shares, each with its bounds',
        json(TimesToRead),
      ),
    },
    ({ params, query }, reply) =>
      answerShared(reads, reply, async (shared) => {
        const { timeToRead } = await shared.readTimes(await withApp(shared, { campaign: params.name, ...query }))
        return timeToRead
      }),
  )
  api.get(
    '/v1/campaigns/:name/forbidden',
    {
      config: READ,
      schema: ofCampaign(
        'listCampaignForbidden',
        "Forbidden people by DingTalk's code, most first",
        json(z.object({ forbidden: list(Forbidden) })),
      ),
    },
    ({ params, query }, reply) =>
      answerShared(reads, reply, async (shared) => {
        const { forbidden } = await shared.stateDetails(await withApp(shared, { campaign: params.name, ...query }))
        return { forbidden }
      }),
  )
}
