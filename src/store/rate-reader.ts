import type { TaskKey } from '../domain/delivery.ts'
import type { CampaignRef, Population, RateReader, ReadTimes, TaskRates, TaskRef } from '../report/rates.ts'
import { computeCurve, computeStateDetails, readTimesOfTask } from '../report/task-report.ts'
import type { TimeToRead } from '../report/time-to-read.ts'
import type { RawClient } from './raw-client.ts'
import { readApps } from './reading/apps.ts'
import { readTimesOfPool, readTimeToReadOfPool } from './reading/brackets.ts'
import { readCampaignRecipients } from './reading/campaign-people.ts'
import { type CampaignKey, readCampaign, readCampaignKey, readCampaigns } from './reading/campaigns.ts'
import { readCampaignDepartments, readKnownPerson, readPeople, readPersonTasks } from './reading/directory.ts'
import { readRecipients, readStateAt, readStateDetails } from './reading/people.ts'
import { explainPerson, readCampaignCurve, readPolls } from './reading/polls.ts'
import { createSource } from './reading/source.ts'
import { readAttention, readTask, readTaskKey, readTasks } from './reading/tasks.ts'

export type { RawClient } from './raw-client.ts'
export { withOwnSchema } from './reading/source.ts'

/** Known where a row of the campaign was read. */
const peopleOf = (ref: CampaignRef): number | undefined => ('targeted' in ref ? Number(ref.targeted) : undefined)

/** Reads the public views of a database. The figures of one task follow from its row, its polls and its recipients. */
export function createRateReader({ prisma }: { readonly prisma: RawClient }): RateReader {
  const source = createSource(prisma)
  const task = (ref: TaskRef): Promise<TaskRates> => readTask(source, ref)
  const key = (ref: TaskRef): Promise<TaskKey> => readTaskKey(source, ref)
  const campaignKey = (ref: CampaignRef): Promise<CampaignKey> => readCampaignKey(source, ref)
  const timesOfTask = async (ref: TaskRef): Promise<ReadTimes> => {
    const row = await task(ref)
    return readTimesOfTask(row, await readRecipients(source, row, {}))
  }
  const timeToRead = async (of: Population): Promise<TimeToRead> => {
    if ('taskId' in of) return (await timesOfTask(of)).timeToRead
    return readTimeToReadOfPool(source, 'campaign' in of ? await campaignKey(of) : of)
  }
  return {
    task,
    tasks: (filter) => readTasks(source, filter),
    campaign: (ref) => readCampaign(source, ref),
    campaigns: (filter) => readCampaigns(source, filter),
    recipients: async (ref, filter) => readRecipients(source, await key(ref), filter),
    campaignRecipients: async (ref, filter) => readCampaignRecipients(source, await campaignKey(ref), filter, peopleOf(ref)),
    curve: async (ref) => computeCurve(await readPolls(source, await key(ref))),
    campaignCurve: async (ref) => readCampaignCurve(source, await campaignKey(ref)),
    readTimes: async (of) => ('taskId' in of ? timesOfTask(of) : readTimesOfPool(source, await campaignKey(of))),
    timeToRead,
    stateDetails: async (of) =>
      'taskId' in of
        ? computeStateDetails(await readRecipients(source, await key(of), {}))
        : readStateDetails(source, await campaignKey(of)),
    stateAt: async (ref, at) => readStateAt(source, await key(ref), at),
    polls: async (ref) => readPolls(source, await key(ref)),
    explain: async (ref, userId) => explainPerson(source, await key(ref), userId),
    campaignDepartments: async (ref) => readCampaignDepartments(source, await campaignKey(ref), peopleOf(ref) ?? 0),
    people: (filter) => readPeople(source, filter),
    person: (ref) => readKnownPerson(source, ref),
    personTasks: (ref, filter) => readPersonTasks(source, ref, filter),
    apps: () => readApps(source),
    attention: () => readAttention(source),
  }
}
