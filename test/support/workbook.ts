import { read, type WorkSheet } from '@e965/xlsx'

/** A cell as another program finds it in the file: its type, its value as it is stored, and the format of a number. */
export interface FoundCell {
  readonly type: 'text' | 'number'
  readonly value: string | number
  readonly format: string | null
}

export interface FoundSheet {
  readonly name: string
  /** Null: an empty cell. */
  readonly rows: ReadonlyArray<ReadonlyArray<FoundCell | null>>
  /** The range that can be filtered; null: none. */
  readonly filter: string | null
}

/** Reads an .xlsx file with SheetJS. No cell is a formula. */
export function readWorkbook(bytes: Uint8Array): FoundSheet[] {
  const { SheetNames, Sheets } = read(bytes, { type: 'buffer', dense: true, cellNF: true, cellFormula: true })
  return SheetNames.map((name) => {
    const sheet: WorkSheet = Sheets[name] ?? {}
    const rows = Array.from(sheet['!data'] ?? [], (row) => Array.from(row ?? [], (cell) => toFound(cell)))
    const width = Math.max(0, ...rows.map((row) => row.length))
    return {
      name,
      filter: sheet['!autofilter']?.ref ?? null,
      rows: rows.map((row) => Array.from({ length: width }, (_, i) => row[i] ?? null)),
    }
  })
}

function toFound(cell: NonNullable<WorkSheet['!data']>[number][number] | undefined): FoundCell | null {
  if (cell === undefined || cell.v === undefined || cell.t === 'z') return null
  if (cell.f !== undefined) throw new Error(`a formula: ${cell.f}`)
  if (cell.t !== 's' && cell.t !== 'n') throw new Error(`a cell of the type ${cell.t}`)
  return {
    type: cell.t === 's' ? 'text' : 'number',
    value: cell.t === 's' ? String(cell.v) : Number(cell.v),
    format: String(cell.z ?? '') || null,
  }
}

/** The rows below the titles as objects by title; an empty cell is null. */
export function recordsOf({ rows: [titles = [], ...rows] }: FoundSheet): Array<Record<string, string | number | null>> {
  return rows.map((row) => Object.fromEntries(titles.map((title, i) => [String(title?.value), row[i]?.value ?? null])))
}

/** A stored time as the wall clock shows it: `2026-11-23 09:00:00`. */
export function wallClock(serial: string | number | null | undefined): string | null {
  if (typeof serial !== 'number') return null
  return new Date(Math.round((serial - 25_569) * 86_400) * 1_000).toISOString().slice(0, 19).replace('T', ' ')
}

/** One part of the file as it stands in the archive. */
export function partOf(bytes: Uint8Array, path: string): string {
  const { files } = read(bytes, { type: 'buffer', bookFiles: true }) as unknown as { files: Record<string, { content: Uint8Array }> }
  const part = files[path]
  if (part === undefined) throw new Error(`the file has no part ${path}`)
  return Buffer.from(part.content).toString('utf8')
}
