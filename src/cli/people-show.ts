import type { Command } from 'commander'
import { parseApp, parseUserId } from '../intake/track-request.ts'
import { collectPages } from '../report/all-pages.ts'
import { directoryCsv, personTasksCsv } from '../report/columns.ts'
import { joinDepartments, parseDepartment } from '../report/departments.ts'
import type { Person, PersonTask } from '../report/rates.ts'
import type { Run } from './command.ts'
import type { Context } from './context.ts'
import { describePerson } from './figures.ts'
import { formatOption } from './options.ts'
import { type Display, type Format, type Listing, personColumns, render } from './rates.ts'
import { withReader } from './reads.ts'
import { type Fact, renderFacts } from './text/layout.ts'
import { plainText } from './text/table.ts'
import { showShortTime, showTime } from './text/time.ts'

interface ShowOptions {
  readonly app?: string
  readonly format: Format
}

interface ListOptions extends ShowOptions {
  readonly search?: string
  readonly department?: string
}

const SHOW_EXAMPLES = `
Examples:
  $ npx dingtalk-delivery people show manager4220
  $ npx dingtalk-delivery people show 036632523163121146 --format csv > sent-to-one-person.csv`

const LIST_EXAMPLES = `
Examples:
  $ npx dingtalk-delivery people list --search 李
  $ npx dingtalk-delivery people list --department Headquarters/Sales --format csv > sales.csv`

/** The commands of the group `people` that read. */
export function addPeopleReads(people: Command, context: Context, run: Run): void {
  people
    .command('show')
    .description('one person: name, departments, and everything that was sent to them, latest first')
    .argument('<user-id>', 'the user id, as DingTalk writes it')
    .option('--app <name>', 'only this app')
    .addOption(formatOption())
    .addHelpText('after', SHOW_EXAMPLES)
    .action(run((userId: string, options: ShowOptions) => show(context, userId, options)))
  people
    .command('list')
    .description('people whose name or department is known')
    .option('--search <text>', 'only people whose name or user id contains this')
    .option('--department <path>', 'only people of this department or one below it, such as Headquarters/Sales')
    .option('--app <name>', 'only this app')
    .addOption(formatOption())
    .addHelpText('after', LIST_EXAMPLES)
    .action(run((options: ListOptions) => list(context, options)))
}

async function show(context: Context, text: string, { app, format }: ShowOptions): Promise<void> {
  const ref = { userId: parseUserId('user-id', text), app: app === undefined ? undefined : parseApp(app) }
  await withReader(context, async (reader) => {
    const known = await reader.person(ref)
    const tasks = await collectPages((page) => reader.personTasks(ref, page))
    if (format === 'json') context.print(JSON.stringify({ people: known, tasks }, null, 2))
    else if (format === 'csv') context.print(personTasksCsv(tasks))
    else context.print(describe(known, tasks, context.now(), context))
  })
}

async function list(context: Context, { search, department, app, format }: ListOptions): Promise<void> {
  const filter = {
    search,
    department: department === undefined ? undefined : parseDepartment(department, '--department'),
    app: app === undefined ? undefined : parseApp(app),
  }
  await withReader(context, async (reader) => {
    const people = await collectPages((page) => reader.people({ ...filter, ...page }))
    context.print(render(format, people, directoryListing(people), context))
  })
}

function describe(known: readonly Person[], tasks: readonly PersonTask[], now: Date, display: Display): string {
  const facts = known.map((person) => renderFacts(personFacts(person), display))
  return [...facts, render('table', tasks, sentListing(now), display)].join('\n\n')
}

function personFacts({ app, userId, name, departments, managerUserId, updatedAt }: Person): Fact[] {
  return [
    ['Person', describePerson({ userId, name })],
    ['App', plainText(app)],
    ['Departments', departments.length === 0 ? null : departments.map((path) => plainText(path)).join('\n')],
    ['Manager', managerUserId === null ? null : plainText(managerUserId)],
    ['Changed', updatedAt === null ? null : showTime(updatedAt)],
  ]
}

function sentListing(now: Date): Listing<PersonTask> {
  return {
    csv: personTasksCsv,
    columns: [
      { title: 'Sent', show: ({ sentAt }) => showShortTime(sentAt, now) },
      { title: 'Campaign', shrinkTo: 24, show: ({ campaign }) => plainText(campaign) },
      { title: 'Task', spare: 2, show: ({ taskId }) => plainText(taskId) },
      { title: 'State', show: ({ state }) => plainText(state) },
      { title: 'Read after', spare: 3, show: ({ readAfter }) => showShortTime(readAfter, now) },
      { title: 'and by', spare: 1, show: ({ readBefore }) => showShortTime(readBefore, now) },
      { title: 'As of', show: (task) => showShortTime(task.state === 'unread' ? task.lastUnreadAt : task.asOf, now) },
    ],
    nothing: 'Nothing was sent to this person, as far as is tracked.',
  }
}

function directoryListing(people: readonly Person[]): Listing<Person> {
  const columns = personColumns(people.map(withDepartment))
  return {
    csv: directoryCsv,
    columns: [
      ...columns.map((column) => ({ ...column, show: (person: Person) => column.show(withDepartment(person)) })),
      { title: 'Manager', spare: 4, show: ({ managerUserId }) => plainText(managerUserId) },
      { title: 'App', spare: 5, show: ({ app }) => plainText(app) },
    ],
    nothing: 'No such person: "npx dingtalk-delivery people import" stores names and departments.',
  }
}

function withDepartment(person: Person): Person & { readonly department: string | null } {
  return { ...person, department: joinDepartments(person.departments) || null }
}
