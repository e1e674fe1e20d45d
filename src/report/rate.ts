/** Null where the denominator is 0. */
export function rateOf(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole
}

/**
 * A rate as text with one decimal, such as `38.5%`. Only 0 is `0.0%` and only 1 is `100.0%`: another rate that would be rounded to one of them is
 * `<0.1%` or `>99.9%`. Null is a dash. The dashboard (in each language) and the commands print rates as this text.
 */
export function formatRate(rate: number | null): string {
  if (rate === null) return '–'
  const percent = `${(rate * 100).toFixed(1)}%`
  if (percent === '0.0%' && rate > 0) return '<0.1%'
  return percent === '100.0%' && rate < 1 ? '>99.9%' : percent
}
