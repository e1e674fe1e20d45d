import type { Cell, NoText, Row } from './rows.ts'
import { FileFaults } from './table.ts'

export interface SheetRows {
  readonly name: string
  readonly rows: readonly Row[]
}

/** The sheets of a workbook, with numbers as the file has them: a JavaScript number would round a long one once more. */
export async function readXlsxSheets(bytes: Buffer): Promise<SheetRows[]> {
  const { default: read } = await import('read-excel-file/node')
  let sheets: Awaited<ReturnType<typeof read<NoText>>>
  try {
    sheets = await read<NoText>(bytes, { parseNumber: (text) => ({ kind: 'number', text }), trim: false })
  } catch {
    // Of a damaged file the library also throws errors that are no class of its own.
    throw new FileFaults(['is no .xlsx workbook, or a damaged one. Save it again as .xlsx or as CSV.'])
  }
  return sheets.map(({ sheet, data }) => ({ name: sheet, rows: data.map((cells, i) => ({ line: i + 1, cells: cells.map(toCell) })) }))
}

/** The types of the library call a date `typeof Date`. */
function toCell(value: unknown): Cell {
  if (value === null || value === undefined || typeof value === 'string') return value ?? null
  if (value instanceof Date) return { kind: 'date', text: value.toISOString().slice(0, 10) }
  if (typeof value === 'object' && 'kind' in value && 'text' in value) return { kind: 'number', text: String(value.text) }
  return typeof value === 'boolean' ? (value ? 'TRUE' : 'FALSE') : null
}
