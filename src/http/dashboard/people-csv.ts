import { forbiddenReasonOf } from '../../core/classify.ts'
import { toCsv } from '../../core/csv.ts'
import type { CampaignRecipient, CampaignRef, RateReader, RecipientStatus } from '../../core/rates.ts'
import { MAX_PAGE } from '../../core/rates.ts'
import type { PeopleFilter } from './people.ts'

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

/** All pages of a campaign's people, one after another. */
export async function allRecipients(rates: RateReader, ref: CampaignRef, { state, search }: PeopleFilter): Promise<CampaignRecipient[]> {
  const people: CampaignRecipient[] = []
  let cursor: string | undefined
  do {
    const page = await rates.campaignRecipients(ref, { state: state ?? undefined, search, limit: MAX_PAGE, cursor })
    people.push(...page.items)
    cursor = page.nextCursor ?? undefined
  } while (cursor !== undefined)
  return people
}
