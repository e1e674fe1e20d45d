/** The parts of an .xlsx file, as ECMA-376 (Office Open XML) defines them; only what a table with a header needs. */

/** A text is written as text, whatever it looks like. A date is a moment, see `WorkbookOptions.toSerial`. Null is an empty cell. */
export type WorkbookCell = string | number | Date | null

export type WorkbookCellKind = 'text' | 'number' | 'time' | 'rate'

export interface WorkbookColumn {
  readonly title: string
  readonly kind: WorkbookCellKind
  /** In characters. */
  readonly width: number
}

/** A row; where a cell has another kind than its column, `kinds` has it. */
export interface WorkbookRow {
  readonly cells: readonly WorkbookCell[]
  readonly kinds?: readonly WorkbookCellKind[]
}

const XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
const OFFICE = 'http://schemas.openxmlformats.org/officeDocument/2006'
const PACKAGE = 'http://schemas.openxmlformats.org/package/2006'
const MAIN = 'http://schemas.openxmlformats.org/spreadsheetml/2006/main'
const SHEET_TYPES = 'application/vnd.openxmlformats-officedocument.spreadsheetml'

export function types(sheets: number): string {
  const part = (path: string, type: string): string => `<Override PartName="${path}" ContentType="${SHEET_TYPES}.${type}+xml"/>`
  return `${XML}<Types xmlns="${PACKAGE}/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>${part(
    '/xl/workbook.xml',
    'sheet.main',
  )}${part('/xl/styles.xml', 'styles')}${numbers(sheets)
    .map((no) => part(`/xl/worksheets/sheet${no}.xml`, 'worksheet'))
    .join('')}</Types>`
}

export type Relation = readonly [type: string, target: string]

/** Their ids are `rId1`, `rId2`, … */
export function relations(all: readonly Relation[]): string {
  const lines = all.map(
    ([type, target], index) => `<Relationship Id="rId${index + 1}" Type="${OFFICE}/relationships/${type}" Target="${target}"/>`,
  )
  return `${XML}<Relationships xmlns="${PACKAGE}/relationships">${lines.join('')}</Relationships>`
}

/** Those of the sheets come first, so that `rId1` is the first sheet. */
export function workbookRelations(sheets: number): Relation[] {
  return [...numbers(sheets).map((no): Relation => ['worksheet', `worksheets/sheet${no}.xml`]), ['styles', 'styles.xml']]
}

/** @param definedNames see {@link filterName} and {@link titleName} */
export function workbook(names: readonly string[], definedNames: readonly string[]): string {
  const sheets = names.map((name, index) => `<sheet name="${toXml(name)}" sheetId="${index + 1}" r:id="rId${index + 1}"/>`)
  return `${XML}<workbook xmlns="${MAIN}" xmlns:r="${OFFICE}/relationships"><sheets>${sheets.join('')}</sheets><definedNames>${definedNames.join('')}</definedNames></workbook>`
}

/** Excel keeps the range of a filter under this name too. */
export function filterName(index: number, sheet: string, columns: number, lastRow: number): string {
  return `<definedName name="_xlnm._FilterDatabase" localSheetId="${index}" hidden="1">${quoteSheet(sheet)}!$A$1:$${letters(columns - 1)}$${lastRow}</definedName>`
}

/** Every printed page begins with the row of titles. */
export function titleName(index: number, sheet: string): string {
  return `<definedName name="_xlnm.Print_Titles" localSheetId="${index}">${quoteSheet(sheet)}!$1:$1</definedName>`
}

function quoteSheet(name: string): string {
  return `'${toXml(name.replaceAll("'", "''"))}'`
}

/** A style is named by its place in `cellXfs`, below. */
const STYLES = { text: 1, number: 2, time: 3, rate: 4 } as const satisfies Readonly<Record<WorkbookCellKind, number>>
const TITLE_STYLE = 5

/** Only 1 is shown as 100.0%, as everywhere else. */
const RATE_FORMAT = '[=1]0.0%;[&gt;=0.9995]"&gt;99.9%";0.0%'.replaceAll('"', '&quot;')

export function styles(): string {
  const format = (id: number, alignment = ''): string =>
    `<xf numFmtId="${id}" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" applyAlignment="1"><alignment vertical="top"${alignment}/></xf>`
  return `${XML}<styleSheet xmlns="${MAIN}"><numFmts count="2"><numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd\\ hh:mm:ss"/><numFmt numFmtId="165" formatCode="${RATE_FORMAT}"/></numFmts>
<fonts count="2"><font><sz val="11"/><name val="Calibri"/><family val="2"/></font><font><b/><sz val="11"/><name val="Calibri"/><family val="2"/></font></fonts>
<fills count="3"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill><fill><patternFill patternType="solid"><fgColor rgb="FFE6F2F1"/><bgColor indexed="64"/></patternFill></fill></fills>
<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>
<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>
<cellXfs count="6"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>${format(49, ' wrapText="1"')}${format(3)}${format(164, ' horizontal="left"')}${format(165)}<xf numFmtId="49" fontId="1" fillId="2" borderId="0" xfId="0" applyNumberFormat="1" applyFont="1" applyFill="1" applyAlignment="1"><alignment vertical="center" wrapText="1"/></xf></cellXfs>
<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>`
}

/** What comes before the first row; the titles are that row. @param isSelected this sheet is shown first */
export function sheetHead(columns: readonly WorkbookColumn[], isSelected: boolean): string {
  const widths = columns.map(({ width }, index) => `<col min="${index + 1}" max="${index + 1}" width="${width}" customWidth="1"/>`)
  const titles = columns.map(({ title }, index) => textCell(`${letters(index)}1`, title, TITLE_STYLE))
  return `${XML}<worksheet xmlns="${MAIN}"><sheetPr><pageSetUpPr fitToPage="1"/></sheetPr><sheetViews><sheetView${isSelected ? ' tabSelected="1"' : ''} workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/><selection pane="bottomLeft" activeCell="A2" sqref="A2"/></sheetView></sheetViews><sheetFormatPr defaultRowHeight="15"/><cols>${widths.join('')}</cols><sheetData><row r="1">${titles.join('')}</row>`
}

/** @param last the number of the row before these */
export function sheetRows(
  rows: readonly WorkbookRow[],
  columns: readonly WorkbookColumn[],
  last: number,
  toSerial: (at: Date) => number,
): string {
  const places = columns.map((_, index) => letters(index))
  let text = ''
  rows.forEach(({ cells, kinds }, index) => {
    const no = last + index + 1
    text += `<row r="${no}">`
    cells.forEach((cell, column) => {
      text += toCell(`${places[column] ?? ''}${no}`, cell, kinds?.[column] ?? columns[column]?.kind ?? 'text', toSerial)
    })
    text += '</row>'
  })
  return text
}

function toCell(place: string, cell: WorkbookCell, kind: WorkbookCellKind, toSerial: (at: Date) => number): string {
  if (cell === null) return ''
  if (typeof cell === 'string') return textCell(place, cell, STYLES.text)
  return `<c r="${place}" s="${STYLES[kind]}"><v>${cell instanceof Date ? toSerial(cell) : cell}</v></c>`
}

/** In the cell, not in a table of texts: that would be in memory until the end. */
function textCell(place: string, text: string, style: number): string {
  return `<c r="${place}" s="${style}" t="inlineStr"><is><t xml:space="preserve">${toXml(clip(text))}</t></is></c>`
}

/** What comes after the last row. Digits in a text cell are meant, so they get no mark of a mistake. */
export function sheetTail(columns: number, lastRow: number, hasFilter: boolean): string {
  const range = `A1:${letters(columns - 1)}${lastRow}`
  return `</sheetData>${hasFilter ? `<autoFilter ref="${range}"/>` : ''}<pageMargins left="0.4" right="0.4" top="0.6" bottom="0.6" header="0.3" footer="0.3"/><pageSetup paperSize="9" orientation="landscape" fitToHeight="0"/><headerFooter><oddFooter>&amp;C&amp;P / &amp;N</oddFooter></headerFooter><ignoredErrors><ignoredError sqref="${range}" numberStoredAsText="1"/></ignoredErrors></worksheet>`
}

/** Excel calls a file with a longer text damaged. */
const MAX_TEXT = 32_767

function clip(text: string): string {
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT - 1)}…`
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
const NEEDS_CARE = /[&<>"_\p{Cc}\p{Cs}\uFFFE\uFFFF]/u

/**
 * A text of XML. Characters that XML does not have are written as `_x0001_`, which spreadsheets decode; so a text that has `_x0001_` itself gets its
 * `_` encoded (ECMA-376, ST_Xstring). Half of a surrogate pair is no character, and becomes U+FFFD.
 */
export function toXml(text: string): string {
  if (!NEEDS_CARE.test(text)) return text
  return text
    .replaceAll(/_(?=x[\dA-F]{4}_)/gi, '_x005F_')
    .replaceAll(/\p{Cs}/gu, '\uFFFD')
    .replaceAll(/[\p{Cc}\uFFFE\uFFFF]/gu, encodeControl)
    .replaceAll(/[&<>"]/g, (character) => ENTITIES[character] ?? character)
}

/** A parser of XML turns a carriage return into a line feed, so it is encoded too. */
function encodeControl(character: string): string {
  const code = character.charCodeAt(0)
  const isXml = character === '\t' || character === '\n' || (code >= 0x7f && code < 0xfffe)
  return isXml ? character : `_x${code.toString(16).toUpperCase().padStart(4, '0')}_`
}

/** `A` for 0, `Z` for 25, `AA` for 26. */
function letters(column: number): string {
  const rest = Math.floor(column / 26)
  return `${rest === 0 ? '' : letters(rest - 1)}${String.fromCharCode(65 + (column % 26))}`
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1)
}
