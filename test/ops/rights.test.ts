import { Client } from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseConfig } from '../../src/app/config/config.ts'
import { rightsCheck } from '../../src/ops/checks/database.ts'
import { type Database, openDatabase } from '../../src/store/prisma.ts'
import { createTestDatabase, type TestDatabase } from '../support/postgres.ts'
import { giveRights, urlAs } from '../support/roles.ts'
import { until } from '../support/wait.ts'
import { aRunningWorker, diagnose } from './support.ts'

let created: TestDatabase
let owner: Client
let worker: Database

beforeAll(async () => {
  created = await createTestDatabase({ migrated: true })
  await giveRights(created.url)
  owner = new Client({ connectionString: created.url })
  await owner.connect()
  worker = openDatabase(urlAs('worker', created.url), { max: 2 })
})
afterAll(async () => {
  await owner.end()
  await worker.close()
  await created.drop()
})

const check = () => rightsCheck({ database: worker, timeoutMs: 10_000 })

/** What `delivery_worker` was given, as PostgreSQL keeps it: `INSERT ON TABLE delivery_task`. */
const GIVEN = `
  SELECT privilege_type AS privilege, 'TABLE ' || relname AS object, relname AS name, relkind::text AS kind
  FROM pg_class, aclexplode(relacl) WHERE relnamespace = 'dingtalk'::regnamespace AND grantee = 'delivery_worker'::regrole
  UNION ALL
  SELECT privilege_type, 'FUNCTION ' || oid::regprocedure, 'function ' || proname, prorettype::regtype::text
  FROM pg_proc, aclexplode(proacl) WHERE pronamespace = 'dingtalk'::regnamespace AND grantee = 'delivery_worker'::regrole
  UNION ALL
  SELECT privilege_type, 'SCHEMA ' || nspname, 'schema ' || nspname, 'schema'
  FROM pg_namespace, aclexplode(nspacl) WHERE nspname = 'dingtalk' AND grantee = 'delivery_worker'::regrole
  ORDER BY 2, 1`

interface Given {
  readonly privilege: string
  readonly object: string
  readonly name: string
  /** Of a table what `pg_class.relkind` says, of a function what it returns. */
  readonly kind: string
}

/** Nobody writes through a view that counts; a trigger asks for no right to call its function, and an identity column for none on its sequence. */
const isNeeded = ({ privilege, kind }: Given): boolean => kind !== 'trigger' && kind !== 'S' && (kind !== 'v' || privilege === 'SELECT')

/** While `work` runs, the role lacks a right, everybody else's included. */
async function without<T>({ privilege, object }: Pick<Given, 'privilege' | 'object'>, work: () => Promise<T>): Promise<T> {
  const { rows } = await owner.query<{ everybody: boolean }>(
    `SELECT EXISTS (SELECT FROM pg_namespace, aclexplode(nspacl) WHERE nspname = 'dingtalk' AND grantee = 0 AND privilege_type = 'USAGE') AS everybody`,
  )
  const from = object === 'SCHEMA public' && rows[0]?.everybody === true ? 'delivery_worker, PUBLIC' : 'delivery_worker'
  await owner.query(`REVOKE ${privilege} ON ${object} FROM ${from}`)
  try {
    return await work()
  } finally {
    await owner.query(`GRANT ${privilege} ON ${object} TO ${from}`)
  }
}

test('a worker with the rights of deploy/postgres/roles.sql lacks none', async () => {
  expect(await check()).toEqual({ name: 'rights', ok: true, detail: `the role "test_worker" reads and writes the tracker's tables` })
})

test('each right that is taken away is named, and no other', async () => {
  const { rows } = await owner.query<Given>(GIVEN)
  const tables = rows.filter(({ object, privilege }) => object.startsWith('TABLE') && privilege === 'INSERT').length
  expect([tables > 10, rows.length > 80]).toEqual([true, true])
  for (const given of rows) {
    const finding = await without(given, check)
    const detail = isNeeded(given)
      ? `The role "test_worker" lacks ${given.privilege} on ${given.name}.`
      : `the role "test_worker" reads and writes the tracker's tables`
    expect({ given, ok: finding.ok, detail: finding.detail }).toEqual({ given, ok: !isNeeded(given), detail })
  }
})

describe('what a later version brings is asked for without a change', () => {
  test.each([
    [
      'a table',
      'CREATE TABLE dingtalk.delivery_novelty (id int)',
      ['DELETE', 'INSERT', 'SELECT', 'UPDATE'].map((each) => `${each} on delivery_novelty`),
    ],
    ['a view', 'CREATE VIEW dingtalk.delivery_novelty AS SELECT 1 AS one', ['SELECT on delivery_novelty']],
    ['a sequence', 'CREATE SEQUENCE dingtalk.delivery_novelty', ['USAGE on delivery_novelty']],
    [
      'a function',
      "CREATE FUNCTION dingtalk.delivery_novelty() RETURNS int LANGUAGE sql AS 'SELECT 1'; REVOKE EXECUTE ON FUNCTION dingtalk.delivery_novelty FROM PUBLIC",
      ['EXECUTE on function delivery_novelty'],
    ],
  ])('%s', async (kind, statement, lacking) => {
    await owner.query(statement)
    const finding = await check()
    await owner.query(`DROP ${kind.replace('a ', '')} dingtalk.delivery_novelty`)
    expect(finding).toMatchObject({ ok: false, detail: `The role "test_worker" lacks ${lacking.join(', ')}.` })
    expect(await check()).toMatchObject({ ok: true })
  })

  test('a table of somebody else in the same schema is not', async () => {
    await owner.query('CREATE TABLE dingtalk.deliveryorders (id int); CREATE TABLE dingtalk.orders (id int)')
    expect(await check()).toMatchObject({ ok: true })
    await owner.query('DROP TABLE dingtalk.deliveryorders, dingtalk.orders')
  })
})

test('doctor names it, with what to do', async () => {
  const findings = await without({ privilege: 'UPDATE', object: 'TABLE delivery_erasure' }, () =>
    diagnose(parseConfig({ DATABASE_URL: urlAs('worker', created.url) })),
  )
  expect(findings.find(({ name }) => name === 'rights')).toEqual({
    name: 'rights',
    ok: false,
    detail: 'The role "test_worker" lacks UPDATE on delivery_erasure.',
    remedy: 'Run deploy/postgres/roles.sql as the owner of the database, then: GRANT delivery_worker TO "test_worker"',
  })
})

test.each([
  ['worker', 'the role "test_worker" may not see names: it shows user ids. GRANT delivery_names TO "test_worker" changes that'],
  ['serve', 'the role "test_serve" may see names and departments'],
] as const)('doctor says whether names are shown to %s, and neither is a fault', async (role, detail) => {
  const findings = await diagnose(parseConfig({ DATABASE_URL: urlAs(role, created.url) }))
  expect(findings.filter(({ name }) => name === 'names' || name === 'rights')).toEqual([
    { name: 'rights', ok: true, detail: `the role "test_${role}" reads and writes the tracker's tables` },
    { name: 'names', ok: true, detail },
  ])
})

test('doctor says that polls are in the default partition, and it is no fault', async () => {
  const partitions = async () =>
    (await diagnose(parseConfig({ DATABASE_URL: urlAs('worker', created.url) }))).filter(({ name }) => name === 'partitions')
  expect(await partitions()).toEqual([])
  await owner.query(`
    SELECT setval(pg_get_serial_sequence('delivery_task', 'id'), 500000);
    SELECT track_delivery('77');
    INSERT INTO delivery_poll (task_pk, poll_no, requested_at, outcome, code, changed, anomalies) SELECT id, 1, now(), 'transient', '-1', 0, 0 FROM delivery_task`)
  expect(await partitions()).toEqual([
    { name: 'partitions', ok: true, detail: expect.stringMatching(/^1 MiB of polls are in the default partition of delivery_poll:/) },
  ])
})

test('a worker that lost a right is not ready, says which, and is well again when it is given back', async () => {
  const running = await aRunningWorker(undefined, {}, 'worker')
  const client = new Client({ connectionString: running.databaseUrl })
  await client.connect()
  const rights = async () => (await running.worker.health()).checks.find(({ name }) => name === 'rights')
  try {
    await client.query('REVOKE INSERT ON delivery_poll FROM delivery_worker')
    expect(await rights()).toMatchObject({ ok: false, detail: 'The role "test_worker" lacks INSERT on delivery_poll.' })
    expect((await running.worker.health()).ok).toBe(false)
    await client.query('GRANT INSERT ON delivery_poll TO delivery_worker')
    await until(async () => (await running.worker.health()).ok, { what: 'it is well' })
  } finally {
    await client.end()
  }
})
