import type { Colors } from 'picocolors/types.js'

const BAR_WIDTH = 20
/** In a table, where much else must have room. */
export const SHORT_BAR_WIDTH = 10

/** A rate as a bar and a percentage, such as `██████████░░░░░░░░░░  50.0 %`; nobody to count gives a dash. */
export function readBar(rate: number | null, colors: Colors, width: number = BAR_WIDTH): string {
  if (rate === null) return `${colors.dim('░'.repeat(width))} ${percent(rate).padStart(7)}`
  const filled = filledCells(rate, width)
  const paint = rate >= 0.8 ? colors.green : rate >= 0.4 ? colors.yellow : colors.red
  return `${paint('█'.repeat(filled))}${colors.dim('░'.repeat(width - filled))} ${percent(rate).padStart(7)}`
}

/** Full only when everybody has read, and empty only when nobody has. */
function filledCells(rate: number, width: number): number {
  if (rate <= 0) return 0
  if (rate >= 1) return width
  return Math.min(width - 1, Math.max(1, Math.round(rate * width)))
}

/** `99.9 %` at most while somebody is missing. */
export function percent(rate: number | null): string {
  if (rate === null) return '–'
  const shown = rate < 1 ? Math.min(99.9, Math.round(rate * 1_000) / 10) : 100
  return `${shown.toFixed(1)} %`
}
