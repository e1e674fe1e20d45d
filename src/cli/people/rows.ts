/** A number or a date that a workbook has in place of a text. */
export interface NoText {
  readonly kind: 'number' | 'date'
  /** As the file has it: `3.6632523163100003E+16`. */
  readonly text: string
}

/** Null: empty. */
export type Cell = string | NoText | null

export interface Row {
  /** From 1, as an editor or Excel counts. */
  readonly line: number
  readonly cells: readonly Cell[]
}

/** The text of a cell, without what spreadsheets put around a text so that it stays one: spaces, `="…"`, or an apostrophe at the beginning. */
export function textOf(cell: Cell | undefined): string {
  if (cell === null || cell === undefined) return ''
  const text = typeof cell === 'string' ? cell : cell.text
  return text
    .trim()
    .replace(/^="([^"]*)"$/, '$1')
    .replace(/^'/, '')
    .trim()
}
