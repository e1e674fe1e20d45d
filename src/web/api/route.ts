import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest, RawServerDefault } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { z } from 'zod'
import { InvalidInputError } from '../../domain/errors.ts'
import type { CallForecast } from '../../domain/schedule/call-forecast.ts'
import type { Tracking } from '../../polling/ports.ts'
import type { Forecaster } from '../../report/forecast.ts'
import type { CampaignRef, RateReader } from '../../report/rates.ts'
import type { ScheduleReader } from '../../report/schedule.ts'
import { seesNames } from '../access.ts'
import { hideNames } from '../guard.ts'
import type { SharedReads } from '../shared-reads.ts'
import { ErrorBody } from './schemas.ts'

/** A scope whose route schemas validate the request, type the handler, serialise the answer and document the route. */
export type Api = FastifyInstance<RawServerDefault, IncomingMessage, ServerResponse, FastifyBaseLogger, ZodTypeProvider>

export interface ApiDeps {
  /** Computes each answer anew. */
  readonly rates: RateReader
  readonly schedules: ScheduleReader
  readonly forecast: Forecaster
  /** Keeps costly answers, and shares them with the pages of the dashboard. */
  readonly reads: SharedReads
  readonly tracking: Tracking
  readonly now: () => Date
  /** How long the calls of each app with a budget last, by name. */
  forecastCalls(): Promise<readonly CallForecast[]>
  /** Requests to track that one address may make in a second. */
  readonly enqueuesPerSecond: number
}

const DESCRIPTIONS = {
  400: 'A value is wrong; the message names it and says what is accepted.',
  401: 'The token is missing or wrong.',
  403: 'The role of the token lacks the right that this needs (`FORBIDDEN`); or a page of another site sent it (`CROSS_ORIGIN`).',
  404: 'There is nothing of this name.',
  409: 'It cannot be said which one is meant (`SEVERAL_APPS`), or it has ended (`TASK_ENDED`).',
  413: 'The body is too large.',
  415: 'The body is not JSON.',
  429: 'Too many requests; see retry-after.',
  503: 'The database does not answer; see retry-after.',
} as const

export type ErrorStatus = keyof typeof DESCRIPTIONS

/** What a route needs, in its `config`. */
export const OPEN = { right: 'open' } as const
export const READ = { right: 'read' } as const
export const WRITE = { right: 'write' } as const
export const NAMES = { right: 'names' } as const
export const WRITE_NAMES = { right: 'write+names' } as const

/** JSON, by its media type. */
export function json<Answer extends z.ZodType>(schema: Answer) {
  return { 'application/json': { schema } }
}

/** The answer of a route by its media type. */
export function done<Content>(content: Content) {
  return { description: 'Done.', content }
}

/** Errors besides 400, 401 and 503, which every route has. They are not in the type of the answer: a handler throws them. */
export function errors(...statuses: readonly ErrorStatus[]): object {
  return Object.fromEntries(
    ([400, 401, ...statuses, 503] as const).map((status) => [status, { description: DESCRIPTIONS[status], content: json(ErrorBody) }]),
  )
}

/** The parts of a schema that every route has. */
export function operation<Content>(operationId: string, summary: string, content: Content, ...statuses: readonly ErrorStatus[]) {
  return { operationId, summary, response: { 200: done(content), ...errors(...statuses) } }
}

type Requester = { readonly caller?: FastifyRequest['caller'] | undefined }

/** A reader that shows this caller no more than the caller may see. */
export function ratesFor({ rates }: Pick<ApiDeps, 'rates'>, { caller }: Requester): RateReader {
  return seesNames(caller) ? rates : hideNames(rates)
}

/** Answers from the reads that requests share, pages included. The header Age (RFC 9111) has the seconds since the read began. */
export async function answerShared<T>(reads: SharedReads, reply: FastifyReply, read: (rates: RateReader) => Promise<T>): Promise<T> {
  // None of these answers has a name.
  const { rates, freshness } = reads.forRequest(false)
  const answer = await read(rates)
  void reply.header('age', Math.floor(freshness().ageMs / 1_000))
  return answer
}

/**
 * Adds the app of a campaign: the pages read by both, so the answer is shared with them.
 * @throws {TrackerError} `CAMPAIGN_NOT_FOUND`, `SEVERAL_APPS`
 */
export async function withApp(rates: RateReader, { campaign, app }: CampaignRef): Promise<CampaignRef> {
  return { campaign, app: app ?? (await rates.campaign({ campaign })).app }
}

/** A body would be ignored. */
export async function rejectBody({ body }: { readonly body: unknown }): Promise<void> {
  if (body === undefined || body === null || (typeof body === 'object' && Object.keys(body).length === 0)) return
  throw new InvalidInputError('body', 'This request takes no body. Name the app in the query: ?app=')
}
