import { hasHeader } from './columns.ts'
import type { Row } from './rows.ts'
import { FileFaults } from './table.ts'

/** Rows of a CSV file, in the encodings and with the delimiters that Excel and DingTalk use. */
export async function readCsvRows(bytes: Buffer): Promise<{ readonly rows: readonly Row[]; readonly encoding: string }> {
  const { text, encoding } = decode(bytes)
  const { parse, CsvError } = await import('csv-parse/sync')
  const read = (delimiter: string, to?: number): Row[] => {
    const ends: number[] = []
    const note = (record: string[], { lines }: { readonly lines: number }): string[] => {
      ends.push(lines)
      return record
    }
    try {
      const records = parse(text, { ...OPTIONS, delimiter, on_record: note, ...(to !== undefined && { to }) })
      // A cell in quotation marks may have line ends: a row stands where it begins.
      return records.map((cells, i) => ({ line: (ends[i - 1] ?? 0) + 1, cells }))
    } catch (error) {
      if (!(error instanceof CsvError)) throw error
      const line: unknown = Reflect.get(error, 'lines')
      throw new FileFaults([`line ${String(line)}: the quotation marks do not match. A cell that begins with " must end with ".`])
    }
  }
  const isRight = (delimiter: string): boolean => {
    try {
      return hasHeader(read(delimiter, SAMPLE))
    } catch {
      return false
    }
  }
  const delimiter = DELIMITERS.find(isRight) ?? DELIMITERS.find((each) => text.includes(each)) ?? ','
  return { rows: read(delimiter), encoding }
}

const DELIMITERS = [',', ';', '\t'] as const
/** Rows that are read to find out the delimiter. */
const SAMPLE = 40

const OPTIONS = { bom: true, relax_column_count: true, relax_quotes: true, skip_empty_lines: false } as const

/** In China, Excel saves CSV files in GB18030, without saying so in the file. Its "Unicode text" is UTF-16. */
function decode(bytes: Buffer): { readonly text: string; readonly encoding: string } {
  const head = bytes.subarray(0, 2).toString('hex')
  const candidates = head === 'fffe' ? ['utf-16le'] : ['utf-8', 'gb18030']
  for (const name of candidates) {
    try {
      return { text: new TextDecoder(name, { fatal: true }).decode(bytes), encoding: NAMES[name] ?? name }
    } catch {
      // The next one.
    }
  }
  throw new FileFaults(['is neither UTF-8 nor GB18030 text. Save it as "CSV UTF-8" or as .xlsx.'])
}

const NAMES: Readonly<Record<string, string>> = { 'utf-8': 'UTF-8', gb18030: 'GB18030', 'utf-16le': 'UTF-16' }
