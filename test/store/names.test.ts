import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { CampaignRecipient, Page, RateReader } from '../../src/report/rates.ts'
import { explained } from '../../src/store/database-errors.ts'
import { migrate } from '../../src/store/migrate.ts'
import { openDatabase } from '../../src/store/prisma.ts'
import { createRateReader } from '../../src/store/rate-reader.ts'
import { createTestDatabase, execute, query, type TestDatabase } from '../support/postgres.ts'
import { type DatabaseRole, giveRights, urlAs } from '../support/roles.ts'

/** Who may see names and change them, at the database. */
let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase({ migrated: true })
  await execute(
    database.url,
    "SELECT track_delivery(task_id => '1', user_ids => ARRAY['ann', 'bob'], campaign => 'payroll-11')",
    `SELECT delivery_put_people('[{"userId": "ann", "name": "Ann Zquirrel", "departments": ["Zhead/Zsales"], "managerUserId": "bob"}]')`,
  )
})
afterAll(() => database.drop())

const SEE = ['serve', 'names', 'hr', 'migrate'] as const satisfies readonly DatabaseRole[]
const READ_VIEWS = ['serve', 'hr', 'worker', 'read'] as const satisfies readonly DatabaseRole[]
const BLIND = ['worker', 'read', 'send'] as const satisfies readonly DatabaseRole[]
const ask = (role: DatabaseRole, statement: string) => query(urlAs(role, database.url), statement)
const REFUSED = { code: '42501' }
/** What no other text has. */
const CANARY = /Z(quirrel|head|sales)/
const sees = (role: DatabaseRole): boolean => SEE.some((each) => each === role)

describe('a name', () => {
  test.each(SEE)('is seen by %s', async (role) => {
    expect(await ask(role, 'SELECT name, department FROM delivery_people')).toEqual([{ name: 'Ann Zquirrel', department: 'Zhead/Zsales' }])
    expect(await ask(role, 'SELECT name FROM delivery_known_people')).toHaveLength(1)
  })

  test.each(BLIND)('is not seen by %s, in the table or its view', async (role) => {
    for (const relation of ['delivery_person', 'delivery_people'])
      await expect(ask(role, `SELECT FROM ${relation}`)).rejects.toMatchObject(REFUSED)
  })

  test.each(READ_VIEWS)('is in the other views as %s may see it', async (role) => {
    const views = ['delivery_recipient_status', 'delivery_campaign_people', 'delivery_department_rates', 'delivery_known_people']
    for (const view of views) {
      const rows = JSON.stringify(await ask(role, `SELECT * FROM ${view}`))
      expect([view, CANARY.test(rows)]).toEqual([view, sees(role)])
    }
    const [people] = await ask(role, "SELECT count(*)::integer AS count FROM delivery_campaign_people WHERE campaign = 'payroll-11'")
    expect(people).toEqual({ count: 2 })
  })

  /** A function in a condition is given every row that the plan has before the condition: no name may be among them. */
  test.each(['worker', 'read'] as const)('is shown to no function that %s has in a condition', async (role) => {
    const client = new pg.Client({ connectionString: urlAs(role, database.url) })
    await client.connect()
    onTestFinished(() => client.end())
    const notices: string[] = []
    client.on('notice', ({ message }) => void notices.push(message ?? ''))
    await client.query(`CREATE FUNCTION pg_temp.spy(text) RETURNS boolean LANGUAGE plpgsql STRICT COST 0.0000001
      AS $$ BEGIN RAISE NOTICE 'spied %', $1; RETURN true; END $$`)
    for (const [view, column] of [
      ['delivery_recipient_status', 'name'],
      ['delivery_recipient_status', 'department'],
      ['delivery_campaign_people', 'name'],
      ['delivery_department_rates', 'department'],
      ['delivery_known_people', 'name'],
      ['delivery_known_people', 'in_departments::text'],
    ]) {
      await client.query(`SELECT * FROM ${view} WHERE pg_temp.spy(${column})`)
      await client.query(`SELECT * FROM ${view} WHERE pg_temp.spy(${column}) AND pg_temp.spy(app)`)
    }
    expect(notices.filter((notice) => CANARY.test(notice))).toEqual([])
    // So that a spy that is never called does not pass.
    expect(notices).toContain('spied default')
  })
})

describe('changing names', () => {
  const PUT = `SELECT delivery_put_people('[{"userId": "cid", "name": "Cid"}]')`
  afterEach(() => execute(database.url, "DELETE FROM delivery_person WHERE user_id = 'cid'"))

  test.each(['names', 'serve', 'hr'] as const)('is done by %s through the function, and removing also without it', async (role) => {
    await ask(role, PUT)
    expect(await ask(role, "DELETE FROM delivery_person WHERE user_id = 'cid' RETURNING name")).toEqual([{ name: 'Cid' }])
    for (const statement of [
      "INSERT INTO delivery_person (app, user_id) VALUES ('default', 'dan')",
      "UPDATE delivery_person SET name = 'X'",
      'TRUNCATE delivery_person',
      'SELECT delivery_forget_people(now(), 1)',
      "UPDATE delivery_people SET name = 'X'",
    ])
      if (role !== 'serve' || !statement.includes('forget')) await expect(ask(role, statement), statement).rejects.toMatchObject(REFUSED)
  })

  test.each(BLIND)('is refused to %s', async (role) => {
    for (const statement of [PUT, 'DELETE FROM delivery_person', "INSERT INTO delivery_person (app, user_id) VALUES ('default', 'dan')"])
      await expect(ask(role, statement), statement).rejects.toMatchObject(REFUSED)
  })

  test.each([PUT, 'SELECT FROM delivery_people', 'DELETE FROM delivery_person'])(
    'a refusal names the role that may: %s',
    async (statement) => {
      const refused: unknown = await ask('worker', statement).catch((error: unknown) => explained(error, 'test_worker'))
      expect(refused).toMatchObject({
        code: 'NOT_PERMITTED',
        message: expect.stringMatching(/^The role "test_worker" lacks a right .* make the role a member of delivery_names\.$/),
      })
    },
  )

  test('a worker removes names by their age, and sees none', async () => {
    await execute(database.url, PUT, "UPDATE delivery_person SET seen_at = '2020-01-01' WHERE user_id = 'cid'")
    expect(await ask('worker', "SELECT delivery_forget_people('2021-01-01', 10) AS people")).toEqual([{ people: 1 }])
  })
})

describe('reports', () => {
  function readerAs(role: DatabaseRole): RateReader {
    const opened = openDatabase(urlAs(role, database.url), { max: 2 })
    onTestFinished(() => opened.close())
    return createRateReader(opened)
  }
  const OF = { campaign: 'payroll-11' }
  const idsOf = async (people: Promise<Page<CampaignRecipient>>): Promise<string[]> => (await people).items.map(({ userId }) => userId)

  test.each(['worker', 'read'] as const)('%s gets what there is without people, and no error', async (role) => {
    const rates = readerAs(role)
    const everything = [
      await rates.recipients({ taskId: '1' }, {}),
      await rates.explain({ taskId: '1' }, 'ann'),
      await rates.person({ userId: 'ann' }),
      await rates.personTasks({ userId: 'ann' }, {}),
      await rates.campaignDepartments(OF),
    ]
    expect(JSON.stringify(everything)).not.toMatch(CANARY)
    expect(await rates.people({})).toEqual({ items: [], nextCursor: null })
    expect(await rates.campaignDepartments(OF)).toMatchObject([{ department: null, targeted: 2 }])
    expect(await rates.person({ userId: 'ann' })).toMatchObject([{ app: 'default', name: null, departments: [], managerUserId: null }])
    expect(await idsOf(rates.campaignRecipients(OF, { search: 'zquirrel' }))).toEqual([])
    expect(await idsOf(rates.campaignRecipients(OF, { search: 'AN' }))).toEqual(['ann'])
    expect(await idsOf(rates.campaignRecipients(OF, { department: 'Zhead' }))).toEqual([])
    expect(await idsOf(rates.campaignRecipients(OF, { department: '' }))).toEqual(['ann', 'bob'])
  })

  test.each(['serve', 'hr'] as const)('%s finds people by name and by department', async (role) => {
    const rates = readerAs(role)
    for (const filter of [{ search: 'zquirrel' }, { department: 'Zhead' }, { department: 'Zhead/Zsales' }])
      expect([filter, await idsOf(rates.campaignRecipients(OF, filter))]).toEqual([filter, ['ann']])
    expect(await idsOf(rates.campaignRecipients(OF, { department: '' }))).toEqual(['bob'])
    expect(await rates.people({ search: 'QUIRREL' })).toMatchObject({ items: [{ userId: 'ann', name: 'Ann Zquirrel' }] })
    expect((await rates.campaignDepartments(OF)).map(({ department, targeted }) => [department, targeted])).toEqual([
      ['Zhead', 1],
      ['Zhead/Zsales', 1],
      [null, 1],
    ])
  })
})

describe('whatever the order in which roles.sql and migrate run', () => {
  const RIGHTS = `
    SELECT has_table_privilege('delivery_worker', 'delivery_person', 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') AS worker_table,
      has_table_privilege('delivery_worker', 'delivery_people', 'SELECT, INSERT, UPDATE, DELETE') AS worker_view,
      has_function_privilege('delivery_worker', 'delivery_put_people(jsonb, text, boolean)', 'EXECUTE') AS worker_puts,
      has_table_privilege('delivery_names', 'delivery_people', 'SELECT') AS names_sees,
      has_function_privilege('delivery_names', 'delivery_put_people(jsonb, text, boolean)', 'EXECUTE') AS names_puts`
  const LEAST = { worker_table: false, worker_view: false, worker_puts: false }

  async function anEmpty(): Promise<string> {
    const created = await createTestDatabase()
    onTestFinished(() => created.drop())
    return created.url
  }

  test('the roles first: a worker has no names before the roles are run again, nor after', async () => {
    const url = await anEmpty()
    await giveRights(url)
    await migrate(urlAs('migrate', url))
    expect(await query(url, RIGHTS)).toEqual([expect.objectContaining(LEAST)])
    for (const _ of ['once', 'again']) {
      await giveRights(url)
      expect(await query(url, RIGHTS)).toEqual([{ ...LEAST, names_sees: true, names_puts: true }])
    }
  })

  test('the tables first, by their owner', async () => {
    const url = await anEmpty()
    await migrate(url)
    await giveRights(url)
    expect(await query(url, RIGHTS)).toEqual([{ ...LEAST, names_sees: true, names_puts: true }])
  })

  test('a right that an older script gave to the worker is taken back', async () => {
    const url = await anEmpty()
    await migrate(url)
    await giveRights(url)
    await execute(
      url,
      'GRANT SELECT, INSERT, UPDATE, DELETE ON delivery_person, delivery_people TO delivery_worker',
      'GRANT EXECUTE ON FUNCTION delivery_put_people TO delivery_worker',
    )
    await giveRights(url)
    expect(await query(url, RIGHTS)).toEqual([expect.objectContaining(LEAST)])
  })
})
