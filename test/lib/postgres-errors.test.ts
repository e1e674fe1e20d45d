import { expect, test } from 'vitest'
import { classifyPostgresError, notPermitted, postgresRemedy, readServerError, roleIn, sqlStateOf } from '../../src/lib/postgres-errors.ts'

test('the error of a missing right names the role, the right, and what gives it', () => {
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

/** As `pg` makes it. */
const ofPg = (code: string, fields: object = {}): Error => Object.assign(new Error('said'), { code, ...fields })
/** As Prisma makes it of the same. */
const ofPrisma = (code: string, fields: object = {}): Error =>
  Object.assign(new Error('Raw query failed. Message: `said`'), {
    code: 'P2010',
    meta: { driverAdapterError: { cause: { originalCode: code, originalMessage: 'said', ...fields } } },
  })

test.each([
  ['40001', 'again'],
  ['40P01', 'again'],
  ['55P03', 'again'],
  ['57014', 'unknown'],
  ['57P01', 'unknown'],
  ['53300', 'unknown'],
  ['08006', 'unknown'],
  ['XX000', 'unknown'],
  ['25006', 'unavailable'],
  ['28P01', 'unavailable'],
  ['3D000', 'unavailable'],
  ['54000', 'unavailable'],
  ['42P01', 'schema'],
  ['42703', 'schema'],
  ['42883', 'schema'],
  ['3F000', 'schema'],
  ['42501', 'rights'],
  ['22023', 'refused'],
  ['22012', 'fatal'],
  ['42601', 'fatal'],
])('SQLSTATE %s is %s from pg and through Prisma', (code, kind) => {
  for (const error of [ofPg(code), ofPrisma(code)]) expect([sqlStateOf(error), classifyPostgresError(error)]).toEqual([code, kind])
})

test.each([
  ['Connection terminated unexpectedly', 'unknown'],
  ['timeout exceeded when trying to connect', 'unknown'],
  ['Cannot use a pool after calling end on the pool', 'fatal'],
  ['x is not a function', 'fatal'],
])('an error without an SQLSTATE (%s) is %s', (message, kind) => {
  expect(classifyPostgresError(new Error(message))).toBe(kind)
})

test('the remedy names the variable with the address, where there is a remedy', () => {
  expect(postgresRemedy(ofPg('28P01'), 'QUEUE_URL')).toBe('Check user and password in QUEUE_URL, and pg_hba.conf of the server.')
  expect(postgresRemedy(ofPrisma('25006'), 'DATABASE_URL')).toBe('DATABASE_URL names a server that may only be read: give the primary.')
  expect([postgresRemedy(ofPg('40P01'), 'QUEUE_URL'), postgresRemedy(new Error('x'), 'QUEUE_URL')]).toEqual([null, null])
})

test('the fields of an error are the same from pg and through Prisma', () => {
  const fields = { column: 'sentAt', detail: 'INVALID_INPUT' }
  for (const error of [ofPg('22023', fields), ofPrisma('22023', fields)])
    expect(readServerError(error)).toEqual({ message: 'said', ...fields })
})
