import { Readable } from 'node:stream'
import { allPages, FILE_PAGE } from '../report/all-pages.ts'
import { peopleCsvHead, peopleCsvRows } from '../report/columns.ts'
import type { CampaignRef, RateReader, RecipientFilter } from '../report/rates.ts'

/**
 * The CSV file of the people of a campaign, for dashboard and API. What is wrong at the start rejects; what goes wrong later destroys the stream.
 * People are read page by page while the consumer takes the bytes.
 * @throws {TrackerError} as the reader does
 */
export async function openCampaignCsv(rates: RateReader, ref: CampaignRef, filter: RecipientFilter): Promise<Readable> {
  const parts = csvParts(rates, ref, filter)
  // Before anything is sent, so that what is wrong still has a status of its own.
  const first = await parts.next()
  return Readable.from(joined(first.value ?? '', parts), { objectMode: false })
}

async function* csvParts(rates: RateReader, ref: CampaignRef, filter: RecipientFilter): AsyncGenerator<string, undefined> {
  let head = peopleCsvHead()
  for await (const people of allPages((page) => rates.campaignRecipients(ref, { ...filter, ...page }), FILE_PAGE)) {
    yield head + peopleCsvRows(people)
    head = ''
  }
}

async function* joined(first: string, rest: AsyncIterable<string>): AsyncGenerator<string> {
  yield first
  yield* rest
}
