import { PrismaPg } from '@prisma/adapter-pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PrismaClient } from '../../src/store/generated/client.ts'
import { openTestStore, type TestStore } from './support/database.ts'

let db: TestStore
let engine: PrismaClient
beforeAll(async () => {
  db = await openTestStore()
  engine = new PrismaClient({ adapter: new PrismaPg(db.pool) })
})
afterAll(() => db.close())

test('a raw statement gives what the engine of Prisma gives', async () => {
  const read = (prisma: PrismaClient) => prisma.$queryRaw`
    SELECT ${'a'}::text AS text, ${7}::integer AS integer, ${2 ** 53}::bigint AS bigint, ${0.25}::double precision AS double, ${true}::boolean AS flag,
      ${null}::text AS missing, ${['a', null, 'b"c']}::text[] AS texts, ${[1, 2]}::integer[] AS integers, ${'{"a":[1,null]}'}::jsonb AS json,
      ${new Date(0)}::timestamptz = to_timestamp(0) AS time`
  expect(await read(db.prisma)).toEqual(await read(engine))
})

test('it counts the rows that it changed, and takes values by their place', async () => {
  const changed = await db.prisma.$executeRaw`INSERT INTO delivery_lease (name, holder, expires_at)
    SELECT name, ${'me'}::text, now() FROM unnest(${['a', 'b']}::text[]) AS given (name)`
  expect(changed).toBe(2)
  expect(await db.prisma.$queryRawUnsafe('SELECT name FROM delivery_lease WHERE holder = $1 AND name > $2', 'me', 'a')).toEqual([
    { name: 'b' },
  ])
  expect(await db.prisma.$executeRawUnsafe('DELETE FROM delivery_lease WHERE holder = $1', 'me')).toBe(2)
})

test('models and transactions are those of the client', async () => {
  const lease = { name: 'c', holder: 'me', expiresAt: new Date(1_000) }
  await db.prisma.$transaction(async (transaction) => {
    await transaction.lease.create({ data: lease })
    expect(await transaction.$queryRaw`SELECT name FROM delivery_lease`).toEqual([{ name: 'c' }])
  })
  expect(await db.prisma.lease.findMany()).toEqual([lease])
})
