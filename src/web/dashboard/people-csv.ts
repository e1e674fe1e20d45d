import { forbiddenReasonOf } from '../../domain/problems.ts'
import { toCsv } from '../../report/csv.ts'
import type { CampaignRecipient, RecipientStatus } from '../../report/rates.ts'

/** The list of a page as a file, with the column names of the SQL views. */
export function peopleCsv(people: ReadonlyArray<RecipientStatus | CampaignRecipient>): string {
  const columns: ReadonlyArray<readonly [string, (person: RecipientStatus) => string | number | boolean | Date | null]> = [
    ['app', ({ app }) => app],
    ['campaign', ({ campaign }) => campaign],
    ['task_id', ({ taskId }) => taskId],
    ['user_id', ({ userId }) => userId],
    ['state', ({ state }) => state],
    ['as_of', ({ asOf }) => asOf],
    ['last_unread_at', ({ lastUnreadAt }) => lastUnreadAt],
    ['read_after', ({ readAfter }) => readAfter],
    ['read_before', ({ readBefore }) => readBefore],
    ['forbidden_code', ({ forbiddenCode }) => forbiddenCode],
    ['forbidden_reason', ({ state, forbiddenCode }) => (state === 'forbidden' ? forbiddenReasonOf(forbiddenCode) : null)],
  ]
  return toCsv(
    columns.map(([name]) => name),
    people.map((person) => columns.map(([, cell]) => cell(person))),
  )
}
