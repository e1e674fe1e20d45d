/** A part of a page, with an empty line before the next. */
export interface Section {
  /** Null and empty: there is nothing to say. */
  readonly text: string | null
  /** Left out where the terminal is too low, the highest first. 0 always stays. */
  readonly spare: number
}

/** The sections that have room in `height` lines. */
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
