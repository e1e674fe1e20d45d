import { expect, test } from 'vitest'
import { CAMPAIGN_RECIPIENT_FIELDS, RECIPIENT_FIELDS, sqlNameOf } from '../../src/report/fields.ts'

test('a file of a task begins with the columns of the view in the contract', () => {
  const contract =
    'app, task_id, campaign, user_id, state, first_seen_at, last_unread_at, first_read_at, forbidden_code, forbidden_count'.split(', ')
  expect(RECIPIENT_FIELDS.map(sqlNameOf)).toEqual([
    ...contract.slice(0, 8),
    'read_after',
    'read_before',
    ...contract.slice(8),
    'named',
    'as_of',
  ])
})

test('a file of a campaign has the same and the number of tasks', () => {
  expect(CAMPAIGN_RECIPIENT_FIELDS).toEqual([...RECIPIENT_FIELDS, 'tasks'])
})

test.each([
  ['app', 'app'],
  ['firstReadAt', 'first_read_at'],
  ['readRateOfTargeted', 'read_rate_of_targeted'],
])('%s is %s in SQL', (field, name) => {
  expect(sqlNameOf(field)).toBe(name)
})
