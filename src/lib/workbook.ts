import { PassThrough, pipeline, Readable } from 'node:stream'
import {
  filterName,
  relations,
  sheetHead,
  sheetRows,
  sheetTail,
  styles,
  titleName,
  types,
  type WorkbookColumn,
  type WorkbookRow,
  workbook,
  workbookRelations,
} from './workbook-xml.ts'

export type { WorkbookRow } from './workbook-xml.ts'

/**
 * Writes .xlsx files of any length with flat memory: rows are read when the consumer of the file has taken those before. The archive is yazl's; it is
 * loaded with the first file. docs/decisions.md has the libraries that were considered.
 */

export interface WorkbookSheet {
  /** At most 31 characters, without `[]:*?/\`. */
  readonly name: string
  readonly columns: readonly WorkbookColumn[]
  /** The first row can be filtered. */
  readonly hasFilter: boolean
  /** Is called once, when all rows of the sheets before are written. */
  readonly rows: () => Iterable<readonly WorkbookRow[]> | AsyncIterable<readonly WorkbookRow[]>
}

export interface WorkbookOptions {
  /** The wall clock at a moment, in days since 1899-12-30: a spreadsheet knows no zones. */
  readonly toSerial: (at: Date) => number
}

/** Of Excel, with the row of titles. */
export const MAX_SHEET_ROWS = 1_048_576

/**
 * The bytes of the file. An error of `rows` destroys it, so that a part of a file is never taken for the whole; to destroy it ends the reading of rows.
 * @throws where the archive cannot be loaded
 */
export async function writeWorkbook(sheets: readonly WorkbookSheet[], options: WorkbookOptions): Promise<Readable> {
  const { ZipFile } = await import('yazl')
  const archive = new ZipFile()
  const file = new PassThrough()
  let open: Readable | null = null
  const add = (path: string, parts: () => Iterable<string> | AsyncIterable<string>): void =>
    archive.addReadStreamLazy(path, (ready) => {
      const source = Readable.from(parts(), { objectMode: false })
      source.on('error', (error) => file.destroy(error))
      open = source
      ready(null, source)
    })
  file.once('close', () => open?.destroy())
  archive.once('error', (error) => file.destroy(error instanceof Error ? error : new Error(String(error))))

  const counts = sheets.map(() => 0)
  add('[Content_Types].xml', () => [types(sheets.length)])
  add('_rels/.rels', () => [relations([['officeDocument', 'xl/workbook.xml']])])
  add('xl/styles.xml', () => [styles()])
  sheets.forEach((sheet, index) => {
    add(`xl/worksheets/sheet${index + 1}.xml`, () => sheetParts(sheet, index === 0, options, (rows) => void (counts[index] = rows)))
  })
  // After the sheets: the range of a filter ends with the last row.
  add('xl/workbook.xml', () => [
    workbook(
      sheets.map(({ name }) => name),
      sheets.flatMap(({ name, columns, hasFilter }, index) => [
        ...(hasFilter ? [filterName(index, name, columns.length, counts[index] ?? 0)] : []),
        titleName(index, name),
      ]),
    ),
  ])
  add('xl/_rels/workbook.xml.rels', () => [relations(workbookRelations(sheets.length))])
  archive.end()
  pipeline(archive.outputStream, file, () => undefined)
  return file
}

/** Rows of one text at most: it is made at once, and other requests wait meanwhile. */
const PART_ROWS = 200

async function* sheetParts(
  { columns, hasFilter, rows }: WorkbookSheet,
  isFirst: boolean,
  { toSerial }: WorkbookOptions,
  count: (rows: number) => void,
): AsyncGenerator<string, undefined> {
  yield sheetHead(columns, isFirst)
  let last = 1
  for await (const batch of rows()) {
    for (let from = 0; from < batch.length; from += PART_ROWS) {
      const part = batch.slice(from, from + PART_ROWS)
      if (last + part.length > MAX_SHEET_ROWS) throw new RangeError(`A sheet has at most ${MAX_SHEET_ROWS} rows.`)
      yield sheetRows(part, columns, last, toSerial)
      last += part.length
    }
  }
  count(last)
  yield sheetTail(columns.length, last, hasFilter)
}
