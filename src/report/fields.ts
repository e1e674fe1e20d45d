import type { CampaignRecipient, RecipientStatus } from './rates.ts'

/** The columns of a file with people, in their order; every way to get such a file has them under the same names. */
export const RECIPIENT_FIELDS = [
  'app',
  'taskId',
  'campaign',
  'userId',
  'state',
  'firstSeenAt',
  'lastUnreadAt',
  'firstReadAt',
  'readAfter',
  'readBefore',
  'forbiddenCode',
  'forbiddenCount',
  'named',
  'asOf',
] as const satisfies ReadonlyArray<keyof RecipientStatus>

export const CAMPAIGN_RECIPIENT_FIELDS = [...RECIPIENT_FIELDS, 'tasks'] as const satisfies ReadonlyArray<keyof CampaignRecipient>

/** `firstReadAt` → `first_read_at`: the name that the field has in SQL. */
export function sqlNameOf(field: string): string {
  return field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
