import type { Colors } from 'picocolors/types.js'
import { wrapTo } from './width.ts'

/** A line for each value; a fact whose value is null is left out. An empty name continues the fact above. */
export type Fact = readonly [name: string, value: string | null]

/** The widest name, and a gap. */
const NAME_WIDTH = 13
/** A narrower terminal breaks the lines by itself. */
const MIN_VALUE_WIDTH = 20

/** A space at which no line is broken. */
export const NO_BREAK = '\u00A0'

/** Names on the left, values on the right. A value that is too long for the terminal goes on in the next line. */
export function renderFacts(facts: readonly Fact[], { colors, width }: { readonly colors: Colors; readonly width: number }): string {
  return facts
    .flatMap(([name, value]) => {
      if (value === null) return []
      const lines = joinUnits(value)
        .split('\n')
        .flatMap((line) => wrapTo(line, Math.max(MIN_VALUE_WIDTH, width - NAME_WIDTH)))
      return lines.map((line, i) =>
        `${i === 0 ? colors.bold(name.padEnd(NAME_WIDTH)) : ' '.repeat(NAME_WIDTH)}${line.replaceAll(NO_BREAK, ' ')}`.trimEnd(),
      )
    })
    .join('\n')
}

/** A number stays with its unit, and a time with its date and zone. */
function joinUnits(value: string): string {
  return value
    .replaceAll(/(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) ([+-]\d\d:\d\d)/g, `$1${NO_BREAK}$2${NO_BREAK}$3`)
    .replaceAll(/(\d) (s|min|h|d)(?![a-z])/g, `$1${NO_BREAK}$2`)
}

/** A part of a page, with an empty line before the next. */
export interface Section {
  /** Null or empty: left out. */
  readonly text: string | null
  /** Sections that do not fit the height are left out, the highest number first. 0 always stays. */
  readonly spare: number
}

/** The sections that fit `height` lines. */
export function joinSections(sections: readonly Section[], height: number = Number.POSITIVE_INFINITY): string {
  const shown = sections.filter(({ text }) => text !== null && text !== '')
  const joined = shown.map(({ text }) => text).join('\n\n')
  const first = Math.max(0, ...shown.map(({ spare }) => spare))
  if (first === 0 || joined.split('\n').length <= height) return joined
  return joinSections(
    shown.filter(({ spare }) => spare !== first),
    height,
  )
}
