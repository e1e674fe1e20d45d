import { posix } from 'node:path'

/** What a page and its translation must have in common, in the order of the page. */
export interface Outline {
  /** The level of each heading: 1 for `#`. */
  readonly headings: readonly number[]
  /** Language and text of each block, without comments, which are translated. */
  readonly blocks: readonly string[]
  /** The number of rows and of columns of each table, and what stands in code in its first column. */
  readonly tables: readonly string[]
  /** Each picture, as the file. */
  readonly pictures: readonly string[]
  /** Each link outside a block, as the file from the root of the project, with its anchor. */
  readonly links: readonly string[]
  /** The numbers of items in each list. */
  readonly lists: readonly number[]
  /** What stands in code outside blocks and tables. */
  readonly code: readonly string[]
}

const BLOCK = /^```([^\n]*)\n(.*?)^```$/gms

/** How a comment begins, by language. A sign that belongs to something else, as in `https://`, has no space before it. */
const COMMENT: Readonly<Record<string, RegExp>> = {
  sh: /(^|\s+)#.*$/gm,
  python: /(^|\s+)#.*$/gm,
  yaml: /(^|\s+)#.*$/gm,
  ts: /(^|\s+)\/\/.*$/gm,
  java: /(^|\s+)\/\/.*$/gm,
  go: /(^|\s+)\/\/.*$/gm,
  sql: /(^|\s+)--\s.*$/gm,
}

/** @param page from the root of the project: links are relative to it */
export function outlineOf(page: string, text: string): Outline {
  const prose = text.replace(BLOCK, '')
  const tables = prose.match(/(?:^\|.*\n)+/gm) ?? []
  const sentences = prose.replace(/^\|.*$/gm, '')
  return {
    headings: [...prose.matchAll(/^(#+) /gm)].map(([, signs = '']) => signs.length),
    blocks: [...text.matchAll(BLOCK)].map(([, language = '', block = '']) => `${language}\n${withoutComments(language, block)}`),
    tables: tables.map(outlineOfTable),
    pictures: [...prose.matchAll(/(?:srcset|src)="([^"]+)"/g)].map(([, file = '']) => resolve(page, file)),
    links: [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => resolve(page, target)),
    lists: (sentences.match(/(?:^(?:- |\d+\. ).*\n(?:^ {2,}\S.*\n)*)+/gm) ?? []).map((list) => list.match(/^(?:- |\d+\. )/gm)?.length ?? 0),
    code: [...sentences.matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code).sort(),
  }
}

function withoutComments(language: string, block: string): string {
  const comment = COMMENT[language]
  const text = comment === undefined ? block : block.replace(comment, '')
  return text
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line !== '')
    .join('\n')
}

function outlineOfTable(table: string): string {
  const rows = table.trimEnd().split('\n').map(cellsOf)
  const named = rows.map(([first = '']) => [...first.matchAll(/`([^`]+)`/g)].map(([, code]) => code).join(' '))
  return `${rows.length} rows, ${rows[0]?.length ?? 0} columns: ${named.join(', ')}`
}

function cellsOf(row: string): string[] {
  return row.split(/(?<!\\)\|/).slice(1, -1)
}

function resolve(page: string, target: string): string {
  if (/^[a-z]+:/.test(target)) return target
  const [file = '', anchor] = target.split('#')
  const path = file === '' ? page : posix.join(posix.dirname(page), file)
  return anchor === undefined ? path : `${path}#${anchor}`
}
