import type { FastifyInstance } from 'fastify'
import { addEndpoint } from './endpoint.ts'
import { app, campaign, cursor, format, limit, search, since, state, until } from './parameters.ts'
import { sendCampaignCsv } from './people.ts'
import { CURVE, listOf, pageOf, ref } from './schemas.ts'
import { answerShared, type CampaignReads, withApp } from './shared.ts'

export function addCampaignRoutes(scope: FastifyInstance, { rates, reads }: CampaignReads): void {
  addEndpoint(scope, {
    method: 'GET',
    path: '/v1/campaigns',
    id: 'listCampaigns',
    summary: 'Campaigns with their figures, latest sent first. People in several tasks count once',
    query: { app, campaign, search, since, until, limit, cursor },
    answer: pageOf('campaigns', 'Campaign'),
    failures: [],
    async handle({ query }) {
      const { items, nextCursor } = await rates.campaigns(query)
      return { campaigns: items, nextCursor }
    },
  })
  addEndpoint(scope, {
    method: 'GET',
    path: '/v1/campaigns/:name',
    id: 'getCampaign',
    summary: 'One campaign: counts and rates',
    query: { app },
    answer: ref('Campaign'),
    failures: [404, 409],
    handle: ({ param, query }) => rates.campaign({ campaign: param('name'), ...query }),
  })
  addEndpoint(scope, {
    method: 'GET',
    path: '/v1/campaigns/:name/recipients',
    id: 'listCampaignRecipients',
    summary: 'Everybody in a campaign by user id, each once, with the best state',
    query: { app, state, search, limit, cursor, format },
    answer: pageOf('recipients', 'CampaignRecipient'),
    csv: true,
    failures: [404, 409],
    async handle({ param, query: { app: named, format: wanted, limit: rows, cursor: from, ...filter }, reply }) {
      const asked = { campaign: param('name'), app: named }
      const page = { limit: rows, cursor: from }
      if (wanted === 'csv') return sendCampaignCsv(reply, rates, asked, filter, page)
      const { items, nextCursor } = await rates.campaignRecipients(asked, { ...filter, ...page })
      return { recipients: items, nextCursor }
    },
  })
  addEndpoint(scope, {
    method: 'GET',
    path: '/v1/campaigns/:name/curve',
    id: 'getCampaignCurve',
    summary: 'How many people had read by when, and its bounds',
    query: { app },
    answer: CURVE,
    failures: [404, 409],
    handle: ({ param, query, reply }) =>
      answerShared(reads, reply, async (shared) => {
        const asked = await withApp(shared, { campaign: param('name'), ...query })
        const [curve, { bounds }] = await Promise.all([shared.campaignCurve(asked), shared.readTimes(asked)])
        return { curve, bounds }
      }),
  })
  addEndpoint(scope, {
    method: 'GET',
    path: '/v1/campaigns/:name/time-to-read',
    id: 'getCampaignTimeToRead',
    summary: 'When people read, over all tasks of the campaign: quantiles and shares, each with its bounds',
    query: { app },
    answer: ref('TimeToRead'),
    failures: [404, 409],
    handle: ({ param, query, reply }) =>
      answerShared(reads, reply, async (shared) => {
        const { timeToRead } = await shared.readTimes(await withApp(shared, { campaign: param('name'), ...query }))
        return timeToRead
      }),
  })
  addEndpoint(scope, {
    method: 'GET',
    path: '/v1/campaigns/:name/forbidden',
    id: 'listCampaignForbidden',
    summary: "Forbidden people by DingTalk's code, most first",
    query: { app },
    answer: listOf('forbidden', 'ForbiddenCount'),
    failures: [404, 409],
    handle: ({ param, query, reply }) =>
      answerShared(reads, reply, async (shared) => {
        const { forbidden } = await shared.stateDetails(await withApp(shared, { campaign: param('name'), ...query }))
        return { forbidden }
      }),
  })
}
