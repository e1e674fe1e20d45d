import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'

const PAGE = join(import.meta.dirname, '../../docs/compatibility.md')

/** One line of a table of docs/compatibility.md: what was set up, what came out, and what was run. No times and no versions of this machine. */
export interface MatrixRow {
  readonly setup: string
  readonly result: string
  readonly run: string
}

/**
 * Holds a table of docs/compatibility.md against what a test has just seen. The table stands between `<!-- NAME -->` and `<!-- /NAME -->`.
 * With UPDATE_MATRIX=1 the table is written instead.
 */
export function expectMatrix(name: string, rows: readonly MatrixRow[]): void {
  const text = readFileSync(PAGE, 'utf8')
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`]
  const [from, to] = [text.indexOf(begin), text.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`docs/compatibility.md has no table between ${begin} and ${end}`)
  const table = formatTable(rows)
  if (process.env['UPDATE_MATRIX'] === '1') {
    writeFileSync(PAGE, `${text.slice(0, from + begin.length)}\n${table}\n${text.slice(to)}`)
    return
  }
  expect(text.slice(from + begin.length, to).trim(), 'with UPDATE_MATRIX=1 the page is written anew').toBe(table)
}

function formatTable(rows: readonly MatrixRow[]): string {
  const lines = rows.map(({ setup, result, run }) => `| ${[setup, result, run].map(cell).join(' | ')} |`)
  return ['| set-up | result | what was run |', '|---|---|---|', ...lines].join('\n')
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}
