import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { HOUR_MS } from '../../src/domain/delivery.ts'
import { PrismaClient } from '../../src/store/generated/client.ts'
import { createRateReader } from '../../src/store/rate-reader.ts'
import { createTestDatabase, setSearchPath, type TestDatabase } from '../support/postgres.ts'
import { storeCompany } from './support/company.ts'
import { blocksOf, textOf } from './support/pages.ts'
import { storeSample } from './support/sample.ts'

const PAGE = 'docs/queries.md'
const ROLE = 'delivery_reader'
/** Roles are the whole server's, and other tests have their own. */
const ROLE_HERE = `${ROLE}_${process.pid}`

const [recipe = '', names = '', ...queries] = blocksOf(PAGE)
  .filter(({ language }) => language === 'sql')
  .map(({ text }) => text)

let database: TestDatabase
let owner: pg.Client
let reader: pg.Client

beforeAll(async () => {
  database = await createTestDatabase({ migrated: true })
  owner = new pg.Client({ connectionString: database.url })
  await owner.connect()
  await storeSample(database.url)
  await storeCompany(database.url, owner)
  await owner.query("INSERT INTO delivery_law (app, law, tasks, people) VALUES ('default', '{}', 12, 300)")
  // As careful owners have it: nothing is everybody's.
  await owner.query('REVOKE ALL ON SCHEMA public FROM PUBLIC; REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA dingtalk FROM PUBLIC')
  await owner.query(recipe.replaceAll(ROLE, ROLE_HERE))
  await owner.query(names.replaceAll(ROLE, ROLE_HERE))
  // What the reader's role has is all that finds the views.
  await setSearchPath(database.url, '"$user", public')
  reader = new pg.Client({ connectionString: readersUrl() })
  await reader.connect()
})
afterAll(async () => {
  await reader.end()
  await owner.query(`DROP OWNED BY ${ROLE_HERE}; DROP ROLE ${ROLE_HERE}`)
  await owner.end()
  await database.drop()
})

function readersUrl(): string {
  const url = new URL(database.url)
  url.username = ROLE_HERE
  url.password = 'choose-another-one'
  return url.href
}

/** The answer to the query that has this text in it. */
async function answer(part: string): Promise<Array<Record<string, unknown>>> {
  const found = queries.filter((query) => query.includes(part))
  expect(found, `one query of the page has ${part}`).toHaveLength(1)
  return (await reader.query<Record<string, unknown>>(found[0] ?? '')).rows
}

describe('as the role of the page', () => {
  test.each(queries.map((query) => [query.trim().split('\n')[0], query]))('%s … runs, and has something to say', async (_, query) => {
    expect((await reader.query(query)).rows).not.toEqual([])
  })

  test('every view of the page can be read, and no other: those with names by a role with that right', async () => {
    const explained = [...textOf(PAGE).matchAll(/^### `(\w+)`$/gm)].flatMap(([, name = '']) => name).sort()
    const grantedTo = async (role: string): Promise<string[]> => {
      const { rows } = await owner.query<{ name: string }>(
        `SELECT DISTINCT table_name AS name FROM information_schema.role_table_grants
         WHERE grantee = $1 AND obj_description(format('%I.%I', table_schema, table_name)::regclass, 'pg_class') NOT LIKE 'Internal:%' ORDER BY name`,
        [role],
      )
      return rows.map(({ name }) => name)
    }
    const views = await grantedTo('delivery_read')
    // Names are a right of its own.
    const named = ['delivery_people']
    expect([...views, ...named].sort(), 'deploy/postgres/roles.sql gives what the page explains').toEqual(explained)
    expect(await grantedTo('delivery_names')).toEqual(expect.arrayContaining(named))
    for (const view of views) expect((await reader.query(`SELECT * FROM ${view}`)).rows, view).not.toEqual([])
  })

  test('everything that the reader of the package asks is answered', async () => {
    const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: readersUrl() }) })
    try {
      const rates = createRateReader({ prisma })
      const [task, campaign] = [{ taskId: '256271667526' }, { campaign: 'payroll-11' }]
      const answers = await Promise.all([
        rates.task(task),
        rates.tasks({}),
        rates.campaign(campaign),
        rates.campaigns({}),
        rates.recipients(task, {}),
        rates.campaignRecipients(campaign, {}),
        rates.curve(task),
        rates.campaignCurve(campaign),
        rates.readTimes(campaign),
        rates.timeToRead({}),
        rates.stateDetails({ campaign: 'fire-drill' }),
        rates.stateAt(task, new Date()),
        rates.polls(task),
        rates.explain(task, 'carol'),
        rates.people({}),
        rates.person({ userId: 'carol' }),
        rates.personTasks({ userId: 'carol' }, {}),
        rates.campaignDepartments(campaign),
        rates.apps(),
        rates.attention(),
      ])
      expect(answers.filter((each) => Array.isArray(each) && each.length === 0)).toEqual([])
    } finally {
      await prisma.$disconnect()
    }
  })

  test.each([
    ['a table', 'SELECT * FROM delivery_task'],
    ['another table', 'SELECT * FROM delivery_app'],
    ['the marks', 'SELECT * FROM delivery_campaign_change'],
    ['the door', "SELECT track_delivery(task_id => '1')"],
    ['settling', 'SELECT delivery_recount_campaigns(1, 1)'],
  ])('%s is refused', async (_, statement) => {
    await expect(reader.query(statement)).rejects.toMatchObject({ code: '42501' })
  })

  test.each([
    ['a table', "UPDATE delivery_task SET campaign = 'mine'"],
    ['a view', "UPDATE delivery_task_rates SET campaign = 'mine'"],
    ['everything', 'TRUNCATE delivery_recipient'],
  ])('writing to %s is refused, also when the role allows itself to write', async (_, statement) => {
    await reader.query('SET default_transaction_read_only = off')
    try {
      await expect(reader.query(statement)).rejects.toMatchObject({ code: '42501' })
    } finally {
      await reader.query('RESET default_transaction_read_only')
    }
  })

  test('so is a table of its own', async () => {
    await expect(reader.query('CREATE TABLE mine (id integer)')).rejects.toThrow(/read-only|permission denied/)
  })
})

describe('the answers are right', () => {
  test('who has not read it, each once, whatever the other task says', async () => {
    expect((await answer('unread_as_of')).map((row) => row['user_id'])).toEqual(['carol', 'late-reader'])
  })

  test('names come from a table of their own, and a person who is not in it is there by user id', async () => {
    expect(await answer('hr.employees')).toMatchObject([
      { unit: '销售部', who: '王芳' },
      { unit: null, who: 'carol' },
    ])
  })

  test('pending is told apart', async () => {
    expect((await answer('not_listed_as_of')).map((row) => row['user_id'])).toEqual(['waiting'])
  })

  test('several campaigns unread', async () => {
    const [carol, ...others] = await answer('unread_campaigns')
    expect([carol, others]).toMatchObject([{ user_id: 'carol', campaigns: ['fire-drill', 'payroll-11'] }, []])
    expect(Number(carol?.['latest_answer']) - Number(carol?.['oldest_answer'])).toBeGreaterThan(20 * HOUR_MS)
  })

  test('names stand in the place of user ids where they are known', async () => {
    expect((await answer('known_as_of')).map(({ person, department }) => [person, department])).toEqual([
      ['Carol', 'Headquarters/Sales'],
      ['late-reader', null],
    ])
  })

  test('departments count a person once in each of theirs, and in those above', async () => {
    const rows = await answer('FROM delivery_department_rates')
    expect(rows.map((row) => [row['department'], row['targeted'], row['delivered'], row['read'], row['percent']])).toEqual([
      ['Headquarters', 2, 2, 1, '50.0'],
      ['Headquarters/Finance', 1, 1, 1, '100.0'],
      ['Headquarters/Sales', 1, 1, 0, '0.0'],
      [null, 4, 2, 1, '50.0'],
    ])
  })

  test('a department has also the people to whom nothing was sent', async () => {
    expect((await answer('no_message')).map((row) => [row['user_id'], row['name'], row['state']])).toEqual([
      ['carol', 'Carol', 'unread'],
      ['newcomer', 'New', 'no_message'],
    ])
  })

  test('managers are named with those of their people who have not read', async () => {
    expect(await answer('unread_people')).toEqual([{ manager: 'The manager', unread_people: '1', user_ids: ['carol'] }])
  })

  test('everything that was sent to one person comes latest first', async () => {
    expect((await answer("WHERE user_id = 'manager4220'")).map((row) => [row['task_id'], row['state']])).toEqual([
      ['256271667600', 'unread'],
      ['256271667526', 'read'],
    ])
  })

  test('rates by campaign count people once', async () => {
    expect(await answer('FROM delivery_campaign_rates')).toMatchObject([
      { campaign: 'payroll-11', targeted: 6, delivered: 4, read: 2, percent: '50.0' },
      { campaign: 'fire-drill', targeted: 4, delivered: 1, read: 0, percent: '0.0' },
    ])
  })

  test('rates by day count messages', async () => {
    const rows = await answer('AS day')
    expect(rows.reduce((sum, row) => sum + Number(row['delivered']), 0)).toBe(7)
  })

  test('only what was seen to its end is compared by weekday and hour, in China', async () => {
    const { rows } = await owner.query<{ sent_at: Date }>("SELECT sent_at FROM delivery_task WHERE task_id = '256271667602'")
    const china = new Date(Number(rows[0]?.sent_at) + 8 * HOUR_MS)
    expect(await answer('AS hour')).toEqual([
      { weekday: china.getUTCDay() || 7, hour: china.getUTCHours(), tasks: '1', delivered: '1', percent: '100.0' },
    ])
  })

  test('the curve of a campaign has each person once, and ends where its rates are', async () => {
    const points = (await answer('AS event')).map(({ delivered, read }) => `${String(read)}/${String(delivered)}`)
    expect(points).toEqual(['0/4', '1/4', '2/4'])
  })

  test('the bracket of each reader', async () => {
    expect(await answer('known_to_within')).toMatchObject([
      { user_id: 'manager4220', known_to_within: { minutes: 35, seconds: 1 }, never_seen_unread: false },
      { user_id: '036632523163121146', known_to_within: { hours: 2, minutes: 10, seconds: 1 }, never_seen_unread: false },
    ])
  })

  test('what was known two hours ago', async () => {
    expect(await answer('delivery_state_at(')).toMatchObject([
      { user_id: '036632523163121146', state: 'unread' },
      { user_id: 'carol', state: 'unread' },
      { user_id: 'late-reader', state: 'unread' },
      { user_id: 'manager4220', state: 'read' },
    ])
  })

  test('open tasks are told of only where they cannot be polled as planned, with what was answered', async () => {
    expect(await answer('next_poll_at, delay_code')).toMatchObject([
      { task_id: '256271667600', problem_code: 'outage', said: '-1', message: 'system busy' },
    ])
  })

  test('the slowest reader comes first, with both bounds', async () => {
    const rows = await answer('and_at_most')
    expect(rows.map((row) => row['user_id'])).toEqual(['036632523163121146', 'manager4220'])
    expect(rows[0]).toMatchObject({ after_the_send_by_more_than: { minutes: 40 }, and_at_most: { hours: 2, minutes: 50, seconds: 1 } })
  })

  test('within four hours', async () => {
    expect(await answer('at_least')).toEqual([{ at_least: '2', at_most: '4', delivered: '4' }])
  })

  test('forbidden by reason', async () => {
    expect(await answer('forbidden_reason, forbidden_code')).toEqual([
      { forbidden_reason: 'daily_limit', forbidden_code: '143105', people: '2' },
      { forbidden_reason: 'duplicate_content', forbidden_code: '143106', people: '1' },
    ])
  })

  test('what ended blind', async () => {
    expect(await answer("status IN ('expired', 'stopped')")).toMatchObject([{ task_id: '256271667601', status: 'expired' }])
  })

  test('agent ids and workers that cannot poll an app', async () => {
    expect(await answer('delivery_pair_status')).toMatchObject([
      { app: 'hr', agent_id: '836390887', worker_id: null, problem: 'agent_id', message: 'invalid agent id' },
      { app: 'hr', agent_id: null, worker_id: 'w1', problem: 'unknown_app', message: 'no such app' },
    ])
  })

  test('calls of this month only, and pauses that last', async () => {
    expect(await answer('left_of_5000')).toEqual([
      { app: 'default', calls_used: 1200, left_of_5000: '3800', pause_code: null, pause_since: null, paused_until: null },
      {
        app: 'hr',
        calls_used: 0,
        left_of_5000: '3800',
        pause_code: 'permission',
        pause_since: expect.any(Date),
        paused_until: expect.any(Date),
      },
    ])
  })

  test('the change of a person leads to the poll', async () => {
    expect(await answer('USING (app, task_id, poll_no)')).toMatchObject([
      { from_state: 'pending', to_state: 'unread', poll_no: 1 },
      { from_state: 'unread', to_state: 'read', poll_no: 2 },
    ])
  })
})
