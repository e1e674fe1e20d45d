import { STATES } from '../../domain/delivery.ts'
import type { DepartmentRates, Page, PageFilter, PeopleFilter, Person, PersonRef, PersonTask } from '../../report/rates.ts'
import { unknownPerson } from '../../report/unknown-person.ts'
import { decodeRow, selectList } from '../columns.ts'
import { Prisma } from '../generated/client.ts'
import { text } from '../rows.ts'
import type { CampaignKey } from './campaigns.ts'
import { DEPARTMENT_COLUMNS, PEOPLE_COLUMNS, PERSON_TASK_COLUMNS } from './columns.ts'
import { buildPage, isText, isTime, parseSlice } from './paging.ts'
import type { Source } from './source.ts'
import { containsPerson, equals, inOwnDepartments, timestamp, where } from './sql.ts'
import { APPS_WITH_TASKS } from './tasks.ts'

/** Names, departments, and what was sent to one person. A role without the right to names gets what there is where no name is known. */

/** From so many people on, reading the whole directory costs less than a look-up for each of them. */
const LARGE = 20_000

/**
 * By name at each level: as one text, "Sales Asia" would come between "Sales" and "Sales/North".
 * @param people about how many the campaign has
 */
export async function readCampaignDepartments(source: Source, { app, campaign }: CampaignKey, people: number): Promise<DepartmentRates[]> {
  const rows = await source(Prisma.sql`
SELECT ${selectList(DEPARTMENT_COLUMNS)} FROM ${people < LARGE ? Prisma.raw('delivery_department_rates') : Prisma.sql`(${ratesByDepartment(app)}) AS rates`}
WHERE app = ${app}::text AND campaign = ${campaign}::text ORDER BY string_to_array(department, '/') COLLATE "C" NULLS LAST`)
  return rows.map((row) => decodeRow(DEPARTMENT_COLUMNS, row))
}

/**
 * The rows of `delivery_department_rates` with all people of an app read once. The view's plan looks up each person of the campaign, because the planner
 * expects few of them; OFFSET 0 keeps it from that.
 */
function ratesByDepartment(app: string): Prisma.Sql {
  const states = Prisma.raw(STATES.map((state) => `(count(*) FILTER (WHERE state = '${state}'))::integer AS ${state}`).join(', '))
  return Prisma.sql`
SELECT *, read + unread AS delivered, read::double precision / nullif(read + unread, 0) AS read_rate, read::double precision / nullif(targeted, 0) AS read_rate_of_targeted
FROM (
  SELECT app, campaign, part.department COLLATE "C" AS department, count(*)::integer AS targeted, ${states}
  FROM delivery_campaign_people AS people
  LEFT JOIN (
    SELECT user_id AS known, in_departments FROM delivery_known_people WHERE app = ${app}::text OFFSET 0
  ) AS person ON person.known = people.user_id
  CROSS JOIN LATERAL unnest(coalesce(nullif(person.in_departments, '{}'), ARRAY[NULL::text])) AS part (department)
  GROUP BY app, campaign, part.department COLLATE "C"
) AS counted`
}

export async function readPeople(source: Source, filter: PeopleFilter): Promise<Page<Person>> {
  const slice = parseSlice(filter, 'directory', [isText, isText])
  const { app, search, department } = filter
  const after = slice.after === null ? null : Prisma.join(slice.after.map((each) => Prisma.sql`${each}::text`))
  const rows = await source(Prisma.sql`
SELECT ${selectList(PEOPLE_COLUMNS)} FROM delivery_known_people
WHERE ${where([
    equals('app', app),
    containsPerson({ search }),
    inOwnDepartments(department),
    after === null ? null : Prisma.sql`(app, user_id) > (${after})`,
  ])}
ORDER BY app, user_id LIMIT ${slice.limit + 1}::integer`)
  return buildPage(
    rows.map((row) => decodeRow(PEOPLE_COLUMNS, row)),
    slice,
    'directory',
    (person) => [person.app, person.userId],
  )
}

/** @throws {TrackerError} `RECIPIENT_NOT_FOUND` */
export async function readKnownPerson(source: Source, { userId, app }: PersonRef): Promise<Person[]> {
  const named = await readNames(source, { userId, app })
  const others = await readAppsThatSent(source, { userId, app }, named)
  const nameless = others.map((each): Person => ({ app: each, userId, name: null, departments: [], managerUserId: null, updatedAt: null }))
  const people = [...named, ...nameless].sort((a, b) => (a.app < b.app ? -1 : 1))
  if (people.length > 0) return people
  throw unknownPerson({ userId, app })
}

/** Apps that sent to the person, without those that know the name. The tasks of an app are read until one has the person, latest sent first. */
async function readAppsThatSent(source: Source, { userId, app }: PersonRef, named: readonly Person[]): Promise<string[]> {
  const known = named.map((person) => person.app)
  if (app !== undefined && known.includes(app)) return []
  const rows = await source(Prisma.sql`
WITH RECURSIVE ${APPS_WITH_TASKS}
SELECT app FROM apps CROSS JOIN LATERAL (
  SELECT FROM delivery_task_rates AS task CROSS JOIN LATERAL (${inTask(userId)}) AS status
  WHERE task.app = apps.app ORDER BY task.sent_at DESC LIMIT 1
) AS sent WHERE ${where([equals('app', app), known.length === 0 ? null : Prisma.sql`app <> ALL (${known}::text[])`])}`)
  return rows.map((row) => text(row, 'app'))
}

/** The person in the task of the row `task`. OFFSET 0 keeps it a look-up by key: the planner would read all recipients of all tasks instead. */
function inTask(userId: string): Prisma.Sql {
  return Prisma.sql`
    SELECT * FROM delivery_recipient_status AS each
    WHERE each.app = task.app AND each.task_id = task.task_id AND each.user_id = ${userId}::text OFFSET 0`
}

async function readNames(source: Source, { userId, app }: PersonRef): Promise<Person[]> {
  const rows = await source(Prisma.sql`
SELECT ${selectList(PEOPLE_COLUMNS)} FROM delivery_known_people WHERE ${where([equals('user_id', userId), equals('app', app)])} ORDER BY app`)
  return rows.map((row) => decodeRow(PEOPLE_COLUMNS, row))
}

/**
 * From the tasks, latest sent first, to the person in each: a look-up by key for each task. No index has the user ids alone: measured, tracking would
 * take half as long again and the write of a poll three times as long, because its updates would no longer stay in their page.
 */
export async function readPersonTasks(source: Source, { userId, app }: PersonRef, filter: PageFilter): Promise<Page<PersonTask>> {
  const slice = parseSlice(filter, 'sent', [isTime, isText, isText])
  const [sentAt, ...id] = slice.after ?? []
  const rows = await source(Prisma.sql`
SELECT ${selectList(PERSON_TASK_COLUMNS)} FROM (
  SELECT status.* FROM delivery_task_rates AS task
  CROSS JOIN LATERAL (${inTask(userId)}) AS status
  WHERE ${where([
    equals('task.app', app),
    sentAt === undefined
      ? null
      : Prisma.sql`(task.sent_at, task.app, task.task_id) < (${timestamp(new Date(sentAt))}, ${Prisma.join(id.map((each) => Prisma.sql`${each}::text`))})`,
  ])}
  ORDER BY task.sent_at DESC, task.app DESC, task.task_id DESC LIMIT ${slice.limit + 1}::integer
) AS sent ORDER BY sent_at DESC, app DESC, task_id DESC`)
  return buildPage(
    rows.map((row) => decodeRow(PERSON_TASK_COLUMNS, row)),
    slice,
    'sent',
    (task) => [task.sentAt.toISOString(), task.app, task.taskId],
  )
}
