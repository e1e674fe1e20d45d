import { expect, test } from 'vitest'
import { notPermitted, roleIn } from '../../src/lib/not-permitted.ts'

test('whoever lacks a right is told who, which, and what gives it', () => {
  const cause = new Error('permission denied for table delivery_task')
  const error = notPermitted({ said: cause.message, role: 'payroll', groups: ['delivery_send', 'delivery_worker'] }, cause)
  expect(error).toMatchObject({ code: 'NOT_PERMITTED', cause })
  expect(error.message).toBe(
    'The role "payroll" lacks a right in the database: permission denied for table delivery_task. Run deploy/postgres/roles.sql as the owner of the database, and make the role a member of delivery_send or delivery_worker.',
  )
  expect(notPermitted({ said: 'no', role: null, groups: ['delivery_read'] }, cause).message).toMatch(/^The role of DATABASE_URL lacks/)
})

test('the role is the user of the URL, if it has one', () => {
  expect([roleIn('postgres://pay%20roll:x@db/x'), roleIn('postgres://db/x')]).toEqual(['pay roll', null])
})
