import type { PersonRecord } from '../../intake/people.ts'
import type { PeopleCounts } from '../../polling/ports.ts'
import type { StoredPerson } from '../../store/write-people.ts'
import { plainText } from '../text/table.ts'

/** What an import, or a sync, will change. */
export interface Preview extends PeopleCounts {
  /** How many are stored, and not named now. */
  readonly missing: number
  /** Some of those who change. */
  readonly examples: readonly Example[]
}

/** A person who changes, as stored and as given. */
export interface Example {
  readonly before: StoredPerson
  readonly now: PersonRecord
}

/** Changed people that are shown. */
export const EXAMPLES = 5

interface Comparison extends Preview {
  /** User ids of people who are stored, and not named now. */
  readonly missingIds: readonly string[]
}

/** @param counts of the database, which also knows who was erased */
export function compare(people: readonly PersonRecord[], stored: readonly StoredPerson[], counts: PeopleCounts): Comparison {
  const given = new Map(people.map((person) => [person.userId, person]))
  const examples: Example[] = []
  for (const before of stored) {
    const now = given.get(before.userId)
    if (now !== undefined && examples.length < EXAMPLES && changesOf({ before, now }).length > 0) examples.push({ before, now })
  }
  const missingIds = stored.filter(({ userId }) => !given.has(userId)).map(({ userId }) => userId)
  return { ...counts, missing: missingIds.length, missingIds, examples }
}

function changesOf({ before, now }: Example): string[] {
  const { name = before.name, departments = before.departments, managerUserId = before.managerUserId } = now
  const fields: ReadonlyArray<readonly [field: string, before: string, now: string]> = [
    ['name', before.name ?? '', name ?? ''],
    ['departments', before.departments.join('; '), departments.join('; ')],
    ['manager', before.managerUserId ?? '', managerUserId ?? ''],
  ]
  return fields.flatMap(([field, old, next]) => (old === next ? [] : [`${field}: ${orNone(old)} → ${orNone(next)}`]))
}

function orNone(text: string): string {
  return text === '' ? '(none)' : plainText(text)
}

export interface PreviewOptions {
  readonly removesMissing: boolean
  /** Names are shown in a terminal, and where nothing is written. Elsewhere what a command prints ends up in a log. */
  readonly showsNames: boolean
}

/** The lines that show what will change. */
export function renderPreview(preview: Preview, { removesMissing, showsNames }: PreviewOptions): string {
  const { created, changed, unchanged, erased, missing, examples } = preview
  const rows: ReadonlyArray<readonly [title: string, count: number, note?: string]> = [
    ['new', created],
    ['changed', changed],
    ['unchanged', unchanged],
    ...(erased > 0 ? [['erased', erased, 'erased less than a day ago, left out: remove them from the source, too'] as const] : []),
    ['not named', missing, missing === 0 ? '' : removesMissing ? 'will be removed' : 'stay as they are; --remove-missing removes them'],
  ]
  const width = Math.max(...rows.map(([, count]) => number(count).length))
  const lines = rows.map(([title, count, note = '']) => `  ${title.padEnd(10)} ${number(count).padStart(width)}  ${note}`.trimEnd())
  if (!showsNames || examples.length === 0) return lines.join('\n')
  const shown = examples.flatMap((example) => changesOf(example).map((change) => `  ${plainText(example.before.userId)}  ${change}`))
  return [...lines, changed > examples.length ? `Changes, the first ${examples.length} people:` : 'Changes:', ...shown].join('\n')
}

export function number(count: number): string {
  return count.toLocaleString('en')
}
