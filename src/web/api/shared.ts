import type { FastifyReply } from 'fastify'
import type { CampaignRef, RateReader } from '../../report/rates.ts'
import type { SharedReads } from '../shared-reads.ts'

/** What routes of campaigns are answered from. */
export interface CampaignReads {
  /** Computes each answer anew. */
  readonly rates: RateReader
  /** Of costly answers, which the pages show too. */
  readonly reads: SharedReads
}

/**
 * Answers with what is shared between callers, and with the pages.
 * The header Age has the seconds since it was asked for, as RFC 9111 means it for any cache.
 */
export async function answerShared<T>(reads: SharedReads, reply: FastifyReply, question: (rates: RateReader) => Promise<T>): Promise<T> {
  const { rates, freshness } = reads.forRequest()
  const answer = await question(rates)
  void reply.header('age', Math.floor(freshness().ageMs / 1_000))
  return answer
}

/**
 * With its app, as the pages ask: else the same campaign would be two questions.
 * @throws {TrackerError} `CAMPAIGN_NOT_FOUND`, `SEVERAL_APPS`
 */
export async function withApp(rates: RateReader, { campaign, app }: CampaignRef): Promise<CampaignRef> {
  return { campaign, app: app ?? (await rates.campaign({ campaign })).app }
}
