import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { z } from 'zod'
import { InvalidInputError } from '../../domain/errors.ts'
import { allPages } from '../../report/all-pages.ts'
import { peopleCsv, peopleCsvHead, peopleCsvRows } from '../../report/columns.ts'
import type { CampaignRef, PageFilter, RateReader, RecipientFilter, TaskRef } from '../../report/rates.ts'
import { attachment } from '../attachment.ts'

/** A file has all people of the list, not one page of it. A stream has no JSON type, so its schema only documents. */
export const CSV = { 'text/csv': { schema: z.custom<string | Readable>().meta({ type: 'string' }) } }

export async function sendTaskCsv(reply: FastifyReply, rates: RateReader, ref: TaskRef, filter: RecipientFilter): Promise<string> {
  const people = await rates.recipients(ref, filter)
  asFile(reply, `task-${ref.taskId}`, filter)
  return peopleCsv(people)
}

/** Refuses a page: a file with one page of the list would be taken for the list. */
export async function sendCampaignCsv(
  reply: FastifyReply,
  rates: RateReader,
  ref: CampaignRef,
  { limit, cursor, ...filter }: RecipientFilter & PageFilter,
): Promise<Readable> {
  for (const [name, value] of Object.entries({ limit, cursor })) {
    if (value !== undefined) throw new InvalidInputError(name, `${name} is for JSON: a CSV file has all people. Leave it out.`)
  }
  const parts = csvParts(rates, ref, filter)
  // Before anything is sent, so that what is wrong still has a status of its own.
  const first = await parts.next()
  asFile(reply, ref.campaign, filter)
  return Readable.from(joined(first.value ?? '', parts), { objectMode: false })
}

async function* csvParts(rates: RateReader, ref: CampaignRef, filter: RecipientFilter): AsyncGenerator<string, undefined> {
  let head = peopleCsvHead()
  for await (const people of allPages((page) => rates.campaignRecipients(ref, { ...filter, ...page }))) {
    yield head + peopleCsvRows(people)
    head = ''
  }
}

async function* joined(first: string, rest: AsyncIterable<string>): AsyncGenerator<string> {
  yield first
  yield* rest
}

function asFile(reply: FastifyReply, name: string, { state }: RecipientFilter): void {
  void reply.headers({
    'content-type': 'text/csv; charset=utf-8',
    'content-disposition': attachment(`${name}-${state ?? 'recipients'}.csv`),
  })
}
