import type { Colors } from 'picocolors/types.js'
import { wrapTo } from './width.ts'

/** A line for each value, under each other; what is null is left out. An empty name continues the fact above. */
export type Fact = readonly [name: string, value: string | null]

/** The widest name, and a gap. */
const NAME_WIDTH = 13
/** A narrower terminal breaks the lines by itself. */
const MIN_VALUE_WIDTH = 20

/** A space at which no line is broken. */
export const NO_BREAK = '\u00A0'

/** Names on the left, values on the right; what is too long for the terminal goes on below. */
export function renderFacts(facts: readonly Fact[], { colors, width }: { readonly colors: Colors; readonly width: number }): string {
  return facts
    .flatMap(([name, value]) => {
      if (value === null) return []
      const lines = together(value)
        .split('\n')
        .flatMap((line) => wrapTo(line, Math.max(MIN_VALUE_WIDTH, width - NAME_WIDTH)))
      return lines.map((line, i) =>
        `${i === 0 ? colors.bold(name.padEnd(NAME_WIDTH)) : ' '.repeat(NAME_WIDTH)}${line.replaceAll(NO_BREAK, ' ')}`.trimEnd(),
      )
    })
    .join('\n')
}

/** A number stays with its unit, and a time with its date and zone. */
function together(value: string): string {
  return value
    .replaceAll(/(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) ([+-]\d\d:\d\d)/g, `$1${NO_BREAK}$2${NO_BREAK}$3`)
    .replaceAll(/(\d) (s|min|h|d|%)(?![a-z])/g, `$1${NO_BREAK}$2`)
}
