import { z } from 'zod'
import { app, campaign, campaignName, cursor, format, limit, search, since, state, strictQuery, until } from './parameters.ts'
import { CSV, sendCampaignCsv } from './people.ts'
import { type Api, type ApiDeps, answerShared, failures, ok, okOrCsv, withApp } from './route.ts'
import { Campaign, Curve, Forbidden, InCampaign, list, page, TimesToRead } from './schemas.ts'

const ONE_CAMPAIGN = { params: z.object({ name: campaignName }), querystring: strictQuery({ app }) }

export function addCampaignRoutes(api: Api, { rates, reads }: ApiDeps): void {
  api.get(
    '/v1/campaigns',
    {
      schema: {
        operationId: 'listCampaigns',
        summary: 'Campaigns with their figures, latest sent first. People in several tasks count once',
        querystring: strictQuery({ app, campaign, search, since, until, limit, cursor }),
        response: { 200: ok(page({ campaigns: list(Campaign) })), ...failures() },
      },
    },
    async ({ query }) => {
      const { items, nextCursor } = await rates.campaigns(query)
      return { campaigns: items, nextCursor }
    },
  )
  api.get(
    '/v1/campaigns/:name',
    {
      schema: {
        ...ONE_CAMPAIGN,
        operationId: 'getCampaign',
        summary: 'One campaign: counts and rates',
        response: { 200: ok(Campaign), ...failures(404, 409) },
      },
    },
    ({ params, query }) => rates.campaign({ campaign: params.name, ...query }),
  )
  api.get(
    '/v1/campaigns/:name/recipients',
    {
      schema: {
        ...ONE_CAMPAIGN,
        operationId: 'listCampaignRecipients',
        summary: 'Everybody in a campaign by user id, each once, with the best state',
        querystring: strictQuery({ app, state, search, limit, cursor, format }),
        response: { 200: okOrCsv(page({ recipients: list(InCampaign) }), CSV), ...failures(404, 409) },
      },
    },
    async ({ params, query: { app: named, format: wanted, ...filter } }, reply) => {
      const ref = { campaign: params.name, app: named }
      if (wanted === 'csv') return sendCampaignCsv(reply, rates, ref, filter)
      const { items, nextCursor } = await rates.campaignRecipients(ref, filter)
      return { recipients: items, nextCursor }
    },
  )
  api.get(
    '/v1/campaigns/:name/curve',
    {
      schema: {
        ...ONE_CAMPAIGN,
        operationId: 'getCampaignCurve',
        summary: 'How many people had read by when, and the bounds between the polls',
        response: { 200: ok(Curve), ...failures(404, 409) },
      },
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
      schema: {
        ...ONE_CAMPAIGN,
        operationId: 'getCampaignTimeToRead',
        summary: 'When people read, over all tasks of the campaign: quantiles and shares, each with its bounds',
        response: { 200: ok(TimesToRead), ...failures(404, 409) },
      },
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
      schema: {
        ...ONE_CAMPAIGN,
        operationId: 'listCampaignForbidden',
        summary: "Forbidden people by DingTalk's code, most first",
        response: { 200: ok(z.object({ forbidden: list(Forbidden) })), ...failures(404, 409) },
      },
    },
    ({ params, query }, reply) =>
      answerShared(reads, reply, async (shared) => {
        const { forbidden } = await shared.stateDetails(await withApp(shared, { campaign: params.name, ...query }))
        return { forbidden }
      }),
  )
}
