import type { Readable } from 'node:stream'
import { InvalidInputError } from '../domain/errors.ts'
import type { Language } from '../domain/messages.ts'
import { MAX_SHEET_ROWS, type WorkbookRow, type WorkbookSheet, writeWorkbook } from '../lib/workbook.ts'
import { allPages, FILE_PAGE } from '../report/all-pages.ts'
import type { PersonRow } from '../report/columns.ts'
import {
  countMatching,
  departmentCells,
  departmentColumns,
  type FileFacts,
  type FileTexts,
  peopleSheet,
  summaryColumns,
  summaryRows,
} from '../report/people-file.ts'
import type { CampaignRates, CampaignRef, DepartmentRates, RateReader, RecipientFilter, TaskRates, TaskRef } from '../report/rates.ts'
import { createSerials } from '../report/zoned-time.ts'
import { MESSAGES } from './dashboard/page.ts'

/** The .xlsx file of the people of a task or campaign, for dashboard, API and commands. */

export const XLSX_TYPE = 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet'

export interface PeopleFileOptions {
  readonly filter: RecipientFilter
  /** The caller may see names. False: `rates` is a reader without them. */
  readonly canSeeNames: boolean
  readonly language: Language
  /** Of all times in the file, see `parseTimeZone`. Default: {@link serverTimeZone}. */
  readonly timeZone?: string | undefined
  readonly now: Date
  /** What the server calls the person who asked; null: nothing. */
  readonly madeFor: string | null
}

/** The zone in which the pages write times before a browser puts them into its own. */
function serverTimeZone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone
}

/**
 * The bytes of the file. What is wrong at the start rejects; what goes wrong later destroys the stream. People are read page by page while the
 * consumer takes the bytes. The figures are those of the start.
 * @param rates with or without names, as the caller may see
 * @throws {TrackerError} as the reader does; `INVALID_INPUT` where a sheet cannot hold so many people
 */
export async function openPeopleFile(rates: RateReader, ref: TaskRef | CampaignRef, options: PeopleFileOptions): Promise<Readable> {
  const of = 'taskId' in ref ? await rates.task(ref) : await rates.campaign(ref)
  assertFits(of, options.filter)
  // A name of one person is enough: its column is needed.
  const withNames = options.canSeeNames && (await rates.people({ app: of.app, limit: 1 })).items.length > 0
  const departments = withNames && !('taskId' in of) ? await rates.campaignDepartments(of) : []
  const { unreadAsOf } = await rates.stateDetails(of)
  const pages = readPeople(rates, of, options.filter)
  // Before anything is sent, so that what is wrong still has a status of its own.
  const first = await pages.next()
  const { filter, timeZone = serverTimeZone(), now: madeAt, madeFor } = options
  const facts = { of, filter, unreadAsOf, madeAt, madeFor, timeZone, hasDepartments: departments.some(isKnown) }
  const sheets = listSheets(createTexts(options.language), { facts, withNames, departments, pages: resumed(first.value, pages) })
  return writeWorkbook(sheets, { toSerial: createSerials(timeZone) })
}

function assertFits(of: TaskRates | CampaignRates, filter: RecipientFilter): void {
  const people = countMatching(of, filter)
  if (people < MAX_SHEET_ROWS || (filter.search ?? filter.department ?? '') !== '') return
  throw new InvalidInputError(
    'format',
    `format=xlsx holds at most ${MAX_SHEET_ROWS - 1} people, and these are ${people}. Filter them by state, search or department, or use format=csv.`,
  )
}

const isKnown = ({ department }: DepartmentRates): boolean => department !== null

type Pages = AsyncGenerator<readonly PersonRow[], undefined>

async function* readPeople(rates: RateReader, of: TaskRates | CampaignRates, filter: RecipientFilter): Pages {
  if ('taskId' in of) yield await rates.recipients(of, filter)
  else yield* allPages((page) => rates.campaignRecipients(of, { ...filter, ...page }), FILE_PAGE)
}

async function* resumed(first: readonly PersonRow[] = [], rest: Pages): Pages {
  yield first
  yield* rest
}

interface Contents {
  readonly facts: Omit<FileFacts, 'people'>
  readonly withNames: boolean
  readonly departments: readonly DepartmentRates[]
  readonly pages: Pages
}

function listSheets(texts: FileTexts, { facts, withNames, departments, pages }: Contents): WorkbookSheet[] {
  const { columns, toCells } = peopleSheet(texts, withNames)
  let people = 0
  async function* rows(): AsyncGenerator<WorkbookRow[], undefined> {
    for await (const page of pages) {
      people += page.length
      yield page.map((person) => ({ cells: toCells(person) }))
    }
  }
  const summary = (): WorkbookRow[] =>
    summaryRows(texts, { ...facts, people }).map(({ label, value, kind }) => ({ cells: [label, value], kinds: ['text', kind] }))
  return [
    { name: texts.sheets.people, columns, hasFilter: true, rows },
    // Its rows are made after all people are written, so that it has their number.
    { name: texts.sheets.summary, columns: summaryColumns(texts), hasFilter: false, rows: () => [summary()] },
    ...(facts.hasDepartments
      ? [
          {
            ...{ name: texts.sheets.departments, columns: departmentColumns(texts), hasFilter: true },
            rows: () => [departments.map((each) => ({ cells: departmentCells(texts, each) }))],
          },
        ]
      : []),
  ]
}

/** States and reasons are called what the pages call them. */
function createTexts(language: Language): FileTexts {
  const { file, states, forbidden } = MESSAGES[language]
  const { daily_limit, duplicate_content, app_rate_limit, organisation_rate_limit, other } = forbidden.reasons
  return {
    ...file,
    states,
    forbiddenReasons: {
      daily_limit: daily_limit.name,
      duplicate_content: duplicate_content.name,
      app_rate_limit: app_rate_limit.name,
      organisation_rate_limit: organisation_rate_limit.name,
      other: other.name,
    },
  }
}
