import type { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { InvalidInputError } from '../../domain/errors.ts'
import type { Language } from '../../domain/messages.ts'
import { peopleCsv } from '../../report/columns.ts'
import type { CampaignRef, PageFilter, RateReader, RecipientFilter, TaskRef } from '../../report/rates.ts'
import { seesNames } from '../access.ts'
import { attachment } from '../attachment.ts'
import { openCampaignCsv } from '../people-csv.ts'
import { openPeopleFile, type PeopleFileOptions, XLSX_TYPE } from '../people-file.ts'
import type { ApiDeps } from './route.ts'

/** A file has all people of the list, not one page of it. A stream has no JSON type, so its schema only documents. */
const FILE = { schema: z.custom<string | Readable>().meta({ type: 'string' }) }
export const FILES = { 'text/csv': FILE, [XLSX_TYPE]: { schema: FILE.schema.meta({ type: 'string', format: 'binary' }) } }

export async function sendTaskCsv(reply: FastifyReply, rates: RateReader, ref: TaskRef, filter: RecipientFilter): Promise<string> {
  const people = await rates.recipients(ref, filter)
  asFile(reply, `task-${ref.taskId}`, filter, 'csv')
  return peopleCsv(people)
}

/** Refuses a page: a file with one page of the list would be taken for the list. */
export async function sendCampaignCsv(
  reply: FastifyReply,
  rates: RateReader,
  ref: CampaignRef,
  { limit, cursor, ...filter }: RecipientFilter & PageFilter,
): Promise<Readable> {
  refusePage({ limit, cursor }, 'a CSV file')
  const file = await openCampaignCsv(rates, ref, filter)
  asFile(reply, ref.campaign, filter, 'csv')
  return file
}

interface FileQuery {
  readonly language: Language | undefined
  readonly timeZone: string | undefined
  readonly format: string | undefined
}

/** How a request wants its .xlsx file. @throws {InvalidInputError} where it wants another format */
export function fileOptions(
  { now }: Pick<ApiDeps, 'now'>,
  { caller }: FastifyRequest,
  { format, ...given }: FileQuery,
): Omit<PeopleFileOptions, 'filter'> {
  for (const [name, value] of format === 'xlsx' ? [] : Object.entries(given)) {
    if (value !== undefined) throw new InvalidInputError(name, `${name} is for format=xlsx. Leave it out, or ask for that format.`)
  }
  return {
    canSeeNames: seesNames(caller),
    language: given.language ?? 'en',
    timeZone: given.timeZone,
    now: now(),
    madeFor: caller?.name ?? null,
  }
}

/** @throws {InvalidInputError} for a page: see {@link sendCampaignCsv} */
export async function sendXlsx(
  reply: FastifyReply,
  rates: RateReader,
  ref: TaskRef | CampaignRef,
  { filter: { limit, cursor, ...filter }, ...options }: PeopleFileOptions & { readonly filter: RecipientFilter & PageFilter },
): Promise<Readable> {
  refusePage({ limit, cursor }, 'an .xlsx file')
  const file = await openPeopleFile(rates, ref, { ...options, filter })
  asFile(reply, 'taskId' in ref ? `task-${ref.taskId}` : ref.campaign, filter, 'xlsx')
  return file
}

function refusePage(page: PageFilter, file: string): void {
  for (const [name, value] of Object.entries(page)) {
    if (value !== undefined) throw new InvalidInputError(name, `${name} is for JSON: ${file} has all people. Leave it out.`)
  }
}

const TYPES = { csv: 'text/csv; charset=utf-8', xlsx: XLSX_TYPE }

function asFile(reply: FastifyReply, name: string, { state }: RecipientFilter, format: keyof typeof TYPES): void {
  void reply.headers({
    'content-type': TYPES[format],
    'content-disposition': attachment(`${name}-${state ?? 'recipients'}.${format}`),
  })
}
