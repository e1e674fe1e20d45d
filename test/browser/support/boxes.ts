import type { Page } from 'playwright-core'

/** Numbers of the parts of a page by the part's name: left, top, width and height in CSS pixels, or colours. */
export type Boxes = Readonly<Record<string, string>>

/** Landmarks, headings, controls, drawings, and the cells of the first rows. */
const PARTS = [
  'header.top, main, footer.bottom, section, nav, h1, h2, h3, form, input:not([type=hidden]), select, button, a.button, .tabs > li, details',
  '.facts > div, .rate, .legend > li, figure, svg.bar, svg.range, svg.plot, svg.line, table, pre, .badge, .note, .lead',
  'thead th, tbody > tr:nth-child(-n+3), tbody > tr:nth-child(-n+3) > *, .campaigns > li:nth-child(-n+3), ul.cards > li, .story > li, .alerts > li',
].join(', ')

/** A part is named after its section, its element and its number among those. What is not shown has no box. */
const MEASURE = `(parts) => {
  const boxes = {}
  const counts = new Map()
  for (const each of document.querySelectorAll(parts)) {
    const { left, top, width, height } = each.getBoundingClientRect()
    if (width <= 1 || height <= 1 || getComputedStyle(each).visibility === 'hidden') continue
    const place = each.parentElement.closest('[id]')?.id ?? 'page'
    const kind = place + ' ' + each.localName + (each.classList[0] ? '.' + each.classList[0] : '')
    counts.set(kind, (counts.get(kind) ?? 0) + 1)
    boxes[kind + ' ' + counts.get(kind)] = [left + scrollX, top + scrollY, width, height].map(Math.round).join(' ')
  }
  return boxes
}`

export function measureBoxes(page: Page): Promise<Boxes> {
  return page.evaluate<Boxes>(`(${MEASURE})('${PARTS}')`)
}

/** Of each kind of part (element and first class) the colours: text and ground, or filling and line of a drawing. A colour is red, green, blue and percent. */
const READ_COLOURS = `() => {
  const numbers = (colour) => {
    if (!colour.startsWith('rgb')) return [0, 0, 0, 0]
    const [red, green, blue, alpha = 1] = colour.match(/[\\d.]+/g).map(Number)
    return [red, green, blue, Math.round(100 * alpha)]
  }
  const found = {}
  for (const each of document.querySelectorAll('body, body :not([type=hidden])')) {
    const { color, backgroundColor, fill, stroke } = getComputedStyle(each)
    const isDrawing = each.namespaceURI.endsWith('svg')
    const kind = each.localName + (each.classList[0] ? '.' + each.classList[0] : '') + (each.ariaCurrent ? ' current' : '')
    found[kind] ??= [...numbers(isDrawing ? fill : color), ...numbers(isDrawing ? stroke : backgroundColor)].join(' ')
  }
  return found
}`

export function readColours(page: Page): Promise<Boxes> {
  return page.evaluate<Boxes>(`(${READ_COLOURS})()`)
}

/** Pixels by which a box may move or grow, and the share of the number that is added to them. */
export interface Tolerance {
  readonly pixels: number
  readonly share: number
}

/** One line for each part that moved, came or went. */
export function movedBoxes(expected: Boxes, actual: Boxes, { pixels, share }: Tolerance): string[] {
  const names = [...new Set([...Object.keys(expected), ...Object.keys(actual)])]
  return names.flatMap((name) => {
    const [before, after] = [expected[name], actual[name]]
    if (before === undefined) return [`${name} is new, at ${after}`]
    if (after === undefined) return [`${name} is gone, was at ${before}`]
    const numbers = after.split(' ').map(Number)
    const isNear = before.split(' ').every((text, i) => Math.abs(Number(text) - (numbers[i] ?? 0)) <= pixels + share * Number(text))
    return isNear ? [] : [`${name} is at ${after}, was at ${before}`]
  })
}
