import { TrackerError } from '../domain/errors.ts'
import type { PageFilter, Person, RateReader, RecipientFilter, RecipientStatus } from './rates.ts'
import { unknownPerson } from './unknown-person.ts'

/**
 * The same figures for a caller who may not see names: names and departments are null, a search finds user ids only, and a question about departments
 * or names rejects. A program that gives a caller this reader cannot show a name by mistake.
 * @param refusal what such a question rejects with. Default: `NOT_PERMITTED`
 */
export function withoutNames(reader: RateReader, refusal: () => Error = notPermitted): RateReader {
  const byUserId = <Filter extends RecipientFilter & PageFilter>(filter: Filter): Filter => {
    if (filter.department !== undefined) throw refusal()
    return { ...filter, searchIn: 'userId' }
  }
  const refuse = async (): Promise<never> => {
    throw refusal()
  }
  return {
    ...bound(reader),
    recipients: async (ref, filter) => (await reader.recipients(ref, byUserId(filter))).map(withoutName),
    campaignRecipients: async (ref, filter) => {
      const { items, nextCursor } = await reader.campaignRecipients(ref, byUserId(filter))
      return { items: items.map(withoutName), nextCursor }
    },
    explain: async (ref, userId) => {
      const { person, polls } = await reader.explain(ref, userId)
      return { person: withoutName(person), polls }
    },
    personTasks: async (ref, filter) => {
      const { items, nextCursor } = await reader.personTasks(ref, filter)
      return { items: items.map(withoutName), nextCursor }
    },
    async person(ref) {
      const people: Person[] = []
      // A stored name shows that a user id is in use: only what was sent counts here.
      for (const { app, userId } of await reader.person(ref)) {
        const { items } = await reader.personTasks({ app, userId }, { limit: 1 })
        if (items.length > 0) people.push({ app, userId, name: null, departments: [], managerUserId: null, updatedAt: null })
      }
      if (people.length === 0) throw unknownPerson(ref)
      return people
    },
    campaignDepartments: refuse,
    people: refuse,
  }
}

/** A reader may be a proxy or an object with a prototype: its methods are named one by one, so a new one must be considered here. */
function bound(reader: RateReader): Omit<RateReader, NamedMethod> {
  return {
    task: (ref) => reader.task(ref),
    tasks: (filter) => reader.tasks(filter),
    campaign: (ref) => reader.campaign(ref),
    campaigns: (filter) => reader.campaigns(filter),
    curve: (ref) => reader.curve(ref),
    campaignCurve: (ref) => reader.campaignCurve(ref),
    timeToRead: (of) => reader.timeToRead(of),
    readTimes: (of) => reader.readTimes(of),
    stateDetails: (of) => reader.stateDetails(of),
    stateAt: (ref, at) => reader.stateAt(ref, at),
    polls: (ref) => reader.polls(ref),
    apps: () => reader.apps(),
    attention: () => reader.attention(),
  }
}

type NamedMethod = 'recipients' | 'campaignRecipients' | 'explain' | 'personTasks' | 'person' | 'campaignDepartments' | 'people'

function withoutName<Row extends RecipientStatus>(row: Row): Row {
  return { ...row, name: null, department: null }
}

function notPermitted(): TrackerError {
  return new TrackerError('NOT_PERMITTED', 'This caller may not see names and departments.')
}
