/** Commands that have commands of their own. */
const GROUPS: ReadonlySet<string> = new Set(['people'])

/** The words of a usage that name the command: one, or two where the first is a group. */
export function commandWords(usage: string): string[] {
  const [first = '', second = ''] = usage.split(/\s+/)
  return GROUPS.has(first) && /^[a-z]+$/.test(second) ? [first, second] : [first]
}
