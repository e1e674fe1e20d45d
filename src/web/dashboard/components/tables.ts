/**
 * Gives each cell in the body of a table the name of its column (`data-label`), and every part its role. On a narrow screen the style sheet
 * shows rows as cards, with these names; the roles keep the table a table for screen readers, which some browsers else forget with the layout.
 *
 * It reads markup that only `html` writes: text in it is escaped, so nothing else can look like a tag, and a label may be copied as it stands.
 */
export function labelCells(markup: string): string {
  return markup.replaceAll(/<table\b[^]*?<\/table>/g, labelTable)
}

function labelTable(table: string): string {
  const labels = readLabels(table)
  return table
    .replaceAll(/<tbody\b[^]*?<\/tbody>/g, (body) => body.replaceAll(/<tr\b[^]*?<\/tr>/g, (row) => labelRow(row, labels)))
    .replaceAll(/<(table|thead|tbody|tr|td|th)\b([^>]*)>/g, (_tag, name: string, attributes: string) => {
      const role = ROLES[name] ?? (attributes.includes('scope="row"') ? 'rowheader' : 'columnheader')
      return `<${name}${attributes} role="${role}">`
    })
}

const ROLES: Readonly<Record<string, string>> = { table: 'table', thead: 'rowgroup', tbody: 'rowgroup', tr: 'row', td: 'cell' }

/** The columns of the head, as text. */
function readLabels(table: string): string[] {
  const head = /<thead\b[^]*?<\/thead>/.exec(table)?.[0] ?? ''
  return [...head.matchAll(/<th\b[^>]*>([^]*?)<\/th>/g)].map(([, cell = '']) => cell.replaceAll(/<[^>]*>/g, '').trim())
}

function labelRow(row: string, labels: readonly string[]): string {
  let column = 0
  return row.replaceAll(/<(td|th)\b([^>]*)>/g, (tag, name: string, attributes: string) => {
    const label = labels[column] ?? ''
    column += 1
    return label === '' ? tag : `<${name}${attributes} data-label="${label}">`
  })
}
