import type { DepartmentRates, Page, PageFilter, PeopleFilter, Person, PersonRef, PersonTask } from '../../report/rates.ts'
import { unknownPerson } from '../../report/unknown-person.ts'
import { decodeRow, selectList } from '../columns.ts'
import { Prisma } from '../generated/client.ts'
import type { CampaignKey } from './campaigns.ts'
import { DEPARTMENT_COLUMNS, PEOPLE_COLUMNS, PERSON_TASK_COLUMNS } from './columns.ts'
import { buildPage, isText, isTime, parseSlice } from './paging.ts'
import type { Source } from './source.ts'
import { containsPerson, equals, timestamp, where } from './sql.ts'

/** Names, departments, and what was sent to one person. A role without the right to names gets what there is where no name is known. */

export async function readCampaignDepartments(source: Source, { app, campaign }: CampaignKey): Promise<DepartmentRates[]> {
  const rows = await source(Prisma.sql`
SELECT ${selectList(DEPARTMENT_COLUMNS)} FROM delivery_department_rates
WHERE app = ${app}::text AND campaign = ${campaign}::text ORDER BY department NULLS LAST`)
  return rows.map((row) => decodeRow(DEPARTMENT_COLUMNS, row))
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
    department === undefined ? null : Prisma.sql`in_departments @> ARRAY[${department}::text]`,
    after === null ? null : Prisma.sql`(user_id, app) > (${after})`,
  ])}
ORDER BY user_id, app LIMIT ${slice.limit + 1}::integer`)
  return buildPage(
    rows.map((row) => decodeRow(PEOPLE_COLUMNS, row)),
    slice,
    'directory',
    (person) => [person.userId, person.app],
  )
}

/** @throws {TrackerError} `RECIPIENT_NOT_FOUND` */
export async function readKnownPerson(source: Source, { userId, app }: PersonRef): Promise<Person[]> {
  const people = await readNames(source, { userId, app })
  const { items } = await readPersonTasks(source, { userId, app }, { limit: 1 })
  const [task] = items
  if (task !== undefined && !people.some((person) => person.app === task.app))
    people.push({ app: task.app, userId, name: null, departments: [], managerUserId: null, updatedAt: null })
  if (people.length > 0) return people
  throw unknownPerson({ userId, app })
}

async function readNames(source: Source, { userId, app }: PersonRef): Promise<Person[]> {
  const rows = await source(Prisma.sql`
SELECT ${selectList(PEOPLE_COLUMNS)} FROM delivery_known_people WHERE ${where([equals('user_id', userId), equals('app', app)])} ORDER BY app`)
  return rows.map((row) => decodeRow(PEOPLE_COLUMNS, row))
}

/**
 * From the tasks, latest sent first, to the person in each: a look-up by key for each task. No index has the user ids alone, since one would have to
 * be written for each recipient of each send.
 */
export async function readPersonTasks(source: Source, { userId, app }: PersonRef, filter: PageFilter): Promise<Page<PersonTask>> {
  const slice = parseSlice(filter, 'sent', [isTime, isText, isText])
  const [sentAt, ...id] = slice.after ?? []
  const rows = await source(Prisma.sql`
SELECT ${selectList(PERSON_TASK_COLUMNS)} FROM (
  SELECT status.* FROM delivery_task_rates AS task
  CROSS JOIN LATERAL (
    SELECT * FROM delivery_recipient_status AS each
    WHERE each.app = task.app AND each.task_id = task.task_id AND each.user_id = ${userId}::text OFFSET 0
  ) AS status
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
