import type { CampaignRef, PageFilter, Population, RateReader, RecipientFilter, TaskRef } from '../report/rates.ts'
import { type Answer, reuseMsOf, type SharedAnswers, shareAnswers } from './shared-answers.ts'

/** How old and how costly the answers are that one request was given. */
export interface Freshness {
  /** Of the oldest one: since it was asked for. 0 where nothing was. */
  readonly ageMs: number
  /** After this time it makes sense to ask again: the longest time for which one of them is reused. 0 where all were cheap. */
  readonly reuseMs: number
}

/** A reader for one request. */
export interface RequestReads {
  readonly rates: RateReader
  freshness(): Freshness
}

/** One reader for all requests, which computes the same answer once. */
export interface SharedReads {
  forRequest(): RequestReads
}

/**
 * Requests that ask the same question at the same time share one answer. The answers that cost the most, which need all people of a campaign,
 * are also kept for a while that grows with their cost. Figures of tasks and campaigns are never kept, so they are never older than the request; nor
 * are lists of people, so that a person who was erased is in no memory.
 * @param monotonicMs a monotonic clock, in milliseconds
 */
export function shareReads(reader: RateReader, monotonicMs: () => number = () => performance.now()): SharedReads {
  const shared = answersOf(monotonicMs)
  return {
    forRequest() {
      const used: Array<Answer<unknown>> = []
      const noted = async <T>(answers: SharedAnswers<T>, question: readonly unknown[], compute: () => Promise<T>): Promise<T> => {
        const answer = await answers.ask(JSON.stringify(question), compute)
        used.push(answer)
        return answer.value
      }
      return { rates: readerOf(reader, shared, noted), freshness: () => freshnessOf(used, monotonicMs()) }
    },
  }
}

function freshnessOf(used: ReadonlyArray<Answer<unknown>>, nowMs: number): Freshness {
  return {
    ageMs: Math.max(0, ...used.map(({ askedAtMs }) => nowMs - askedAtMs)),
    reuseMs: Math.max(0, ...used.map(({ costMs }) => reuseMsOf(costMs))),
  }
}

type Answers = { readonly [Method in keyof RateReader]: SharedAnswers<Awaited<ReturnType<RateReader[Method]>>> }

function answersOf(monotonicMs: () => number): Answers {
  const joined = <T>(): SharedAnswers<T> => shareAnswers<T>({ monotonicMs, rowsOf: null })
  const kept = <T>(rowsOf: (value: T) => number): SharedAnswers<T> => shareAnswers<T>({ monotonicMs, rowsOf })
  return {
    task: joined(),
    tasks: joined(),
    campaign: joined(),
    campaigns: joined(),
    recipients: joined(),
    campaignRecipients: joined(),
    curve: joined(),
    campaignCurve: kept((points) => points.length),
    timeToRead: kept(({ people }) => Math.min(people, 1)),
    readTimes: kept(({ bounds }) => bounds.length),
    stateDetails: joined(),
    stateAt: joined(),
    polls: joined(),
    explain: joined(),
    apps: joined(),
    attention: joined(),
  }
}

type Noted = <T>(answers: SharedAnswers<T>, question: readonly unknown[], compute: () => Promise<T>) => Promise<T>

/** What of an argument makes the question: callers pass whole rows where a reference is wanted. */
function readerOf(reader: RateReader, shared: Answers, noted: Noted): RateReader {
  return {
    task: (ref) => noted(shared.task, refIn(ref), () => reader.task(ref)),
    tasks: (filter) => {
      const { taskId, campaign, status } = filter
      return noted(shared.tasks, [taskId, campaign, status, ...sentIn(filter), ...pageIn(filter)], () => reader.tasks(filter))
    },
    campaign: (ref) => noted(shared.campaign, refIn(ref), () => reader.campaign(ref)),
    campaigns: (filter) => {
      const { campaign, search } = filter
      return noted(shared.campaigns, [campaign, search, ...sentIn(filter), ...pageIn(filter)], () => reader.campaigns(filter))
    },
    recipients: (ref, filter) => noted(shared.recipients, [...refIn(ref), ...peopleIn(filter)], () => reader.recipients(ref, filter)),
    campaignRecipients: (ref, filter) =>
      noted(shared.campaignRecipients, [...refIn(ref), ...peopleIn(filter), ...pageIn(filter)], () =>
        reader.campaignRecipients(ref, filter),
      ),
    curve: (ref) => noted(shared.curve, refIn(ref), () => reader.curve(ref)),
    campaignCurve: (ref) => noted(shared.campaignCurve, refIn(ref), () => reader.campaignCurve(ref)),
    timeToRead: (of) => noted(shared.timeToRead, refIn(of), () => reader.timeToRead(of)),
    readTimes: (of) => noted(shared.readTimes, refIn(of), () => reader.readTimes(of)),
    stateDetails: (of) => noted(shared.stateDetails, refIn(of), () => reader.stateDetails(of)),
    stateAt: (ref, at) => noted(shared.stateAt, [...refIn(ref), at], () => reader.stateAt(ref, at)),
    polls: (ref) => noted(shared.polls, refIn(ref), () => reader.polls(ref)),
    explain: (ref, userId) => noted(shared.explain, [...refIn(ref), userId], () => reader.explain(ref, userId)),
    apps: () => noted(shared.apps, [], () => reader.apps()),
    attention: () => noted(shared.attention, [], () => reader.attention()),
  }
}

/** The kind is in it: a task and a campaign may have the same name. */
function refIn(of: TaskRef | CampaignRef | Population): readonly unknown[] {
  if ('taskId' in of) return ['task', of.taskId, of.app]
  if ('campaign' in of) return ['campaign', of.campaign, of.app]
  return ['sent', ...sentIn(of)]
}

function sentIn({ app, since, until }: Exclude<Population, TaskRef | CampaignRef>): readonly unknown[] {
  return [app, since, until]
}

function peopleIn({ state, search }: RecipientFilter): readonly unknown[] {
  return [state, search]
}

function pageIn({ limit, cursor }: PageFilter): readonly unknown[] {
  return [limit, cursor]
}
