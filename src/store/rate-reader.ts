import type { RateReader, TaskRef } from '../report/rates.ts'
import { readApps } from './reading/apps.ts'
import { type Known, readBand, readReadTimes, readTimeToRead } from './reading/brackets.ts'
import { campaignKeyOf, readCampaign, readCampaigns } from './reading/campaigns.ts'
import { readCampaignRecipients, readForbidden, readRecipients, readStateAt, readUnreadAsOf } from './reading/people.ts'
import { explainPerson, readCampaignCurve, readCurve, readPolls } from './reading/polls.ts'
import { type RawClient, sourceOf } from './reading/source.ts'
import { keyOf, readAttention, readTask, readTasks } from './reading/tasks.ts'

export type { RawClient } from './reading/source.ts'

/** Reads the public views of a database. */
export function createRateReader({ prisma }: { readonly prisma: RawClient }): RateReader {
  const source = sourceOf(prisma)
  const key = (ref: TaskRef): ReturnType<typeof keyOf> => keyOf(source, ref)
  const resolved = async (of: Parameters<RateReader['timeToRead']>[0]): Promise<Known> => {
    if ('taskId' in of) return await key(of)
    return 'campaign' in of ? await campaignKeyOf(source, of) : of
  }
  const resolvedOne = async (of: Parameters<RateReader['band']>[0]) => ('taskId' in of ? await key(of) : await campaignKeyOf(source, of))
  return {
    task: (ref) => readTask(source, ref),
    tasks: (filter) => readTasks(source, filter),
    campaign: (ref) => readCampaign(source, ref),
    campaigns: (filter) => readCampaigns(source, filter),
    recipients: async (ref, filter) => readRecipients(source, await key(ref), filter),
    campaignRecipients: async (ref, filter) => readCampaignRecipients(source, await campaignKeyOf(source, ref), filter),
    curve: async (ref) => readCurve(source, await key(ref)),
    campaignCurve: async (ref) => readCampaignCurve(source, await campaignKeyOf(source, ref)),
    band: async (of) => readBand(source, await resolvedOne(of)),
    timeToRead: async (of) => readTimeToRead(source, await resolved(of)),
    readTimes: async (of) => readReadTimes(source, await resolvedOne(of)),
    unreadAsOf: async (of) => readUnreadAsOf(source, await resolvedOne(of)),
    forbidden: async (of) => readForbidden(source, await resolvedOne(of)),
    stateAt: async (ref, at) => readStateAt(source, await key(ref), at),
    polls: async (ref) => readPolls(source, await key(ref)),
    explain: async (ref, userId) => explainPerson(source, await key(ref), userId),
    apps: () => readApps(source),
    attention: () => readAttention(source),
  }
}
