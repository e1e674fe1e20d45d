import { STATES, STATUSES } from '../domain/delivery.ts'
import { InvalidInputError } from '../domain/errors.ts'
import { show } from '../domain/quote.ts'
import { parseApp, parseCampaignName, parseOneOf, parseTaskId } from '../intake/track-request.ts'
import type { CampaignFilter, CampaignRef, PageFilter, TaskRef as ReaderTaskRef, RecipientFilter, TaskFilter } from './rates.ts'

/** What a program asks becomes a question of the reader here, once: every function throws `InvalidInputError` naming the field. */

/** As it came back from `asyncsend_v2`: digits in a string, a safe integer or a bigint. */
export type TaskId = string | number | bigint

/** Where several apps have a task or campaign of the same name, says which is meant. */
export interface OfApp {
  readonly app?: string | undefined
}

/** A task by its id. Without `app`, the only app that has it. */
export interface TaskRef extends OfApp {
  readonly taskId: TaskId
}

/** Everything that an app (or all apps) sent at `since` or later, and before `until`. */
export interface SentIn extends OfApp {
  readonly since?: Date | undefined
  readonly until?: Date | undefined
}

/** Whose time to read. */
export type Population = TaskRef | CampaignRef | SentIn

export function taskRef(taskId: unknown, of: OfApp = {}): ReaderTaskRef {
  onlyKnown(of, ['app'])
  return { taskId: parseTaskId(taskId), app: given(of.app, parseApp) }
}

export function campaignRef(name: unknown, of: OfApp = {}): CampaignRef {
  onlyKnown(of, ['app'])
  return { campaign: parseCampaignName(name, 'campaign'), app: given(of.app, parseApp) }
}

export function oneRef(of: TaskRef | CampaignRef): ReaderTaskRef | CampaignRef {
  if (!('taskId' in of)) {
    const { campaign, ...app } = of
    return campaignRef(campaign, app)
  }
  const { taskId, ...app } = of
  return taskRef(taskId, app)
}

export function population(of: Population): ReaderTaskRef | CampaignRef | SentIn {
  if ('taskId' in of || 'campaign' in of) return oneRef(of)
  onlyKnown(of, ['app', 'since', 'until'])
  return sentIn(of)
}

export function taskFilter(filter: TaskFilter): TaskFilter {
  onlyKnown(filter, ['app', 'taskId', 'campaign', 'status', 'since', 'until', 'limit', 'cursor'])
  return {
    ...sentIn(filter),
    ...slice(filter),
    taskId: given(filter.taskId, parseTaskId),
    campaign: given(filter.campaign, (name) => parseCampaignName(name, 'campaign')),
    status: given(filter.status, (status) => parseOneOf('status', STATUSES, status)),
  }
}

export function campaignFilter(filter: CampaignFilter): CampaignFilter {
  onlyKnown(filter, ['app', 'campaign', 'search', 'since', 'until', 'limit', 'cursor'])
  return {
    ...sentIn(filter),
    ...slice(filter),
    campaign: given(filter.campaign, (name) => parseCampaignName(name, 'campaign')),
    search: given(filter.search, text),
  }
}

export function recipientFilter(filter: RecipientFilter & OfApp): RecipientFilter {
  onlyKnown(filter, ['app', 'state', 'search'])
  return people(filter)
}

export function campaignRecipientFilter(filter: RecipientFilter & PageFilter & OfApp): RecipientFilter & PageFilter {
  onlyKnown(filter, ['app', 'state', 'search', 'limit', 'cursor'])
  return { ...people(filter), ...slice(filter) }
}

export function moment(field: string, at: unknown): Date {
  if (at instanceof Date && !Number.isNaN(at.getTime())) return at
  throw new InvalidInputError(field, `${field} must be a Date, and a valid one. A text becomes one by new Date("2026-11-23T01:00:00Z").`)
}

/** A misspelt filter would silently be none: `{ status: 'unread' }` would bring everybody. */
function onlyKnown(asked: object, accepted: readonly string[]): void {
  const unknown = Object.keys(asked).find((name) => !accepted.includes(name))
  if (unknown === undefined) return
  throw new InvalidInputError(unknown, `Unknown field ${show(unknown)}. Accepted: ${accepted.join(', ')}.`)
}

function sentIn({ app, since, until }: SentIn): SentIn {
  return {
    app: given(app, parseApp),
    since: given(since, (at) => moment('since', at)),
    until: given(until, (at) => moment('until', at)),
  }
}

/** The reader checks both itself, for every caller. */
function slice({ limit, cursor }: PageFilter): PageFilter {
  return { limit: limit ?? undefined, cursor: cursor ?? undefined }
}

function people({ state, search }: RecipientFilter): RecipientFilter {
  return { state: given(state, (each) => parseOneOf('state', STATES, each)), search: given(search, text) }
}

/** Null is what JSON has for what is not there. */
function given<Value>(value: unknown, parse: (value: unknown) => Value): Value | undefined {
  return value === undefined || value === null ? undefined : parse(value)
}

function text(value: unknown): string {
  if (typeof value === 'string') return value
  throw new InvalidInputError('search', `search must be a string, not ${show(value)}.`)
}
