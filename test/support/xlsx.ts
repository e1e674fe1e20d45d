import { strToU8, zipSync } from 'fflate'

/**
 * Workbooks as Excel saves them: texts in a table of shared strings, numbers as the text of their cell. Made here, so that a test says which bytes a
 * cell has; what reads them is a library.
 */

/** A number or a date is `{ v, style? }`: the text that stands in the file, and the style of the cell. Style 1 is a date. */
export type CellValue = string | boolean | null | { readonly v: string; readonly style?: number }

export interface Sheet {
  readonly name: string
  readonly rows: ReadonlyArray<readonly CellValue[]>
}

export function makeXlsx(...sheets: readonly Sheet[]): Buffer {
  const strings = new Map<string, number>()
  const parts = sheets.map(({ rows }, i) => [`xl/worksheets/sheet${i + 1}.xml`, sheetXml(rows, strings)] as const)
  const files: ReadonlyArray<readonly [path: string, xml: string]> = [
    ['[Content_Types].xml', contentTypes(sheets.length)],
    ['_rels/.rels', rels([['officeDocument', 'xl/workbook.xml']])],
    ['xl/workbook.xml', workbook(sheets)],
    [
      'xl/_rels/workbook.xml.rels',
      rels([
        ...parts.map(([path]) => ['worksheet', path.slice(3)] as const),
        ['styles', 'styles.xml'],
        ['sharedStrings', 'sharedStrings.xml'],
      ]),
    ],
    ['xl/styles.xml', STYLES],
    ...parts,
    [
      'xl/sharedStrings.xml',
      `${HEAD}<sst ${MAIN}>${[...strings.keys()].map((text) => `<si><t xml:space="preserve">${escape(text)}</t></si>`).join('')}</sst>`,
    ],
  ]
  return Buffer.from(zipSync(Object.fromEntries(files.map(([path, xml]) => [path, strToU8(xml)]))))
}

const HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
const MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
const OFFICE = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships'
const STYLES = `${HEAD}<styleSheet ${MAIN}><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14" applyNumberFormat="1"/></cellXfs></styleSheet>`

function contentTypes(sheets: number): string {
  const type = (path: string, kind: string): string =>
    `<Override PartName="/xl/${path}" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.${kind}+xml"/>`
  const each = Array.from({ length: sheets }, (_, i) => type(`worksheets/sheet${i + 1}.xml`, 'worksheet')).join('')
  return `${HEAD}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>${type('workbook.xml', 'sheet.main')}${each}${type('styles.xml', 'styles')}${type('sharedStrings.xml', 'sharedStrings')}</Types>`
}

function rels(targets: ReadonlyArray<readonly [kind: string, target: string]>): string {
  const each = targets.map(([kind, target], i) => `<Relationship Id="rId${i + 1}" Type="${OFFICE}/${kind}" Target="${target}"/>`).join('')
  return `${HEAD}<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">${each}</Relationships>`
}

function workbook(sheets: readonly Sheet[]): string {
  const each = sheets.map(({ name }, i) => `<sheet name="${escape(name)}" sheetId="${i + 1}" r:id="rId${i + 1}"/>`).join('')
  return `${HEAD}<workbook ${MAIN} xmlns:r="${OFFICE}"><sheets>${each}</sheets></workbook>`
}

/** Rows and cells without a value are left out, as Excel does it. */
function sheetXml(rows: Sheet['rows'], strings: Map<string, number>): string {
  const body = rows.map((cells, y) => {
    const each = cells.map((cell, x) => cellXml(cell, `${String.fromCharCode(65 + x)}${y + 1}`, strings)).join('')
    return each === '' ? '' : `<row r="${y + 1}">${each}</row>`
  })
  return `${HEAD}<worksheet ${MAIN}><sheetData>${body.join('')}</sheetData></worksheet>`
}

function cellXml(cell: CellValue, place: string, strings: Map<string, number>): string {
  if (cell === null) return ''
  if (typeof cell === 'boolean') return `<c r="${place}" t="b"><v>${Number(cell)}</v></c>`
  if (typeof cell === 'object') return `<c r="${place}"${cell.style === undefined ? '' : ` s="${cell.style}"`}><v>${cell.v}</v></c>`
  const index = strings.get(cell) ?? strings.size
  strings.set(cell, index)
  return `<c r="${place}" t="s"><v>${index}</v></c>`
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}
