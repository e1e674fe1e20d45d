import { readFile, stat } from 'node:fs/promises'
import { TrackerError } from '../../domain/errors.ts'
import { FileError, fileFault } from '../../lib/read-text-file.ts'
import { hasHeader } from './columns.ts'
import { readCsvRows } from './read-csv.ts'
import { readXlsxSheets } from './read-xlsx.ts'
import { FileFaults, type PeopleTable, readPeopleTable } from './table.ts'

/** A million people have less. */
const MAX_BYTES = 256 * 1_024 * 1_024

export interface PeopleFile extends PeopleTable {
  /** `CSV in UTF-8`, `workbook, sheet "Sheet1"`. */
  readonly kind: string
}

/**
 * Reads a CSV file or a workbook, whatever its name ends with.
 * @param name as the user gave it
 * @throws {TrackerError} `INVALID_INPUT` naming file, line, column, value and remedy
 */
export async function readPeopleFile(name: string, path: string): Promise<PeopleFile> {
  const bytes = await readBytes(name, path)
  try {
    return isZip(bytes) ? await readWorkbook(bytes) : await readText(bytes)
  } catch (error) {
    if (!(error instanceof FileFaults)) throw error
    throw new TrackerError('INVALID_INPUT', inWords(name, error))
  }
}

function inWords(name: string, { faults, message }: FileFaults): string {
  const [only = ''] = faults
  if (faults.length === 1) return /^has |^is /.test(only) ? `${name} ${only}` : `${name}, ${only}`
  return `${name} has ${faults.length} faults. Nothing was changed.\n${message.replaceAll(/^/gm, '  ')}`
}

async function readBytes(name: string, path: string): Promise<Buffer> {
  try {
    const found = await stat(path)
    if (found.isDirectory()) throw new FileError('EISDIR')
    if (!found.isFile()) throw new FileError('NOT_A_FILE')
    if (found.size > MAX_BYTES) throw new FileError('TOO_LARGE')
    return await readFile(path)
  } catch (error) {
    throw new TrackerError('INVALID_INPUT', `${name} cannot be read (${fileFault(error)}). Give a CSV file or an .xlsx workbook.`)
  }
}

function isZip(bytes: Buffer): boolean {
  return bytes.subarray(0, 4).toString('latin1') === 'PK\x03\x04'
}

/** Of .xls, and of a workbook with a password. */
const COMPOUND = 'd0cf11e0a1b11ae1'

async function readText(bytes: Buffer): Promise<PeopleFile> {
  if (bytes.subarray(0, 8).toString('hex') === COMPOUND)
    throw new FileFaults(['is an old .xls file, or has a password. Save it as .xlsx without a password.'])
  const { rows, encoding } = await readCsvRows(bytes)
  return { ...readPeopleTable(rows), kind: `CSV in ${encoding}` }
}

/** The first sheet with a column of user ids. Where there is none, the fault is that of the first sheet. */
async function readWorkbook(bytes: Buffer): Promise<PeopleFile> {
  const sheets = await readXlsxSheets(bytes)
  const chosen = sheets.find(({ rows }) => hasHeader(rows)) ?? sheets[0]
  if (chosen === undefined) throw new FileFaults(['has no sheet'])
  return { ...readPeopleTable(chosen.rows), kind: `workbook, sheet ${JSON.stringify(chosen.name)}` }
}
