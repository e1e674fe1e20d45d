/** What stands for every value that is one too many. */
const OTHER = 'other'

/**
 * A label's values may come from outside: whoever invents them must not fill the memory of Prometheus and ours.
 * @param max this many different values are kept; later ones, and those that do not match, become `other`
 */
export function boundedLabel(max: number, accepted: RegExp): (value: string) => string {
  const seen = new Set<string>()
  return (value) => {
    if (seen.has(value)) return value
    if (seen.size >= max || !accepted.test(value)) return OTHER
    seen.add(value)
    return value
  }
}
