import { type Command, InvalidArgumentError } from 'commander'
import type { CallPlan, SyncDialog, SyncSummary } from '../app/sync-people.ts'
import { ROOT_DEPARTMENT } from '../domain/directory.ts'
import { parseApp } from '../intake/track-request.ts'
import type { Run } from './command.ts'
import type { Context } from './context.ts'
import { configWithEmbedded, requireDatabase } from './embedded.ts'
import { type PreviewOptions, renderPreview, EXAMPLES as SHOWN } from './people/preview.ts'
import { plainText } from './text/table.ts'

interface SyncCommandOptions {
  readonly app?: string
  readonly root: string
  readonly dryRun?: boolean
  readonly yes?: boolean
  readonly removeMissing?: boolean
}

const EXAMPLES = `
Examples:
  $ npx dingtalk-delivery people sync --dry-run
  $ npx dingtalk-delivery people sync --app hr --yes --remove-missing

It needs one call of the app's monthly calls for each department, and one for each hundred people in it; also with --dry-run. The app needs the
permissions qyapi_get_department_list and qyapi_get_department_member. It never runs by itself.`

export function addPeopleSync(people: Command, context: Context, run: Run): void {
  people
    .command('sync')
    .description("read names and departments from DingTalk's address book, show what changes, and store it")
    .option('--app <name>', 'the app whose organisation is read, where there are several')
    .option('--root <dept-id>', 'begin with this department instead of the whole organisation', parseDepartmentId, ROOT_DEPARTMENT)
    .option('--dry-run', 'only show what would change; the calls count all the same')
    .option('--yes', 'do not ask')
    .option('--remove-missing', 'also forget people of the app whom DingTalk no longer lists')
    .addHelpText('after', EXAMPLES)
    .action(
      run(async ({ app, root, dryRun = false, yes = false, removeMissing = false }: SyncCommandOptions) => {
        if (removeMissing && root !== ROOT_DEPARTMENT)
          throw new InvalidArgumentError('Give --remove-missing without --root: a part of the organisation does not show who left.')
        const options = { app: app === undefined ? undefined : parseApp(app), rootId: root, removeMissing, dryRun, examples: SHOWN }
        const config = await configWithEmbedded(context)
        const { syncPeople } = await import('../app/sync-people.ts')
        const dialog = createDialog(context, { yes, removeMissing })
        const summary = await syncPeople({ ...config, databaseUrl: requireDatabase(config) }, options, dialog)
        if (summary === null) return refused(context, 'the people were not read, and nothing was stored')
        if (dryRun) return context.print(describeChanges(summary, { removesMissing: removeMissing, showsNames: true }))
        if (!summary.stored) return refused(context, 'nothing was stored')
        context.print(describeStored(summary, removeMissing))
      }),
    )
}

/** @throws InvalidArgumentError, which is wrong usage */
function parseDepartmentId(text: string): string {
  if (/^[1-9]\d{0,18}$/.test(text)) return text
  throw new InvalidArgumentError('Accepted: the dept_id of a department, such as 871000001; 1 is the whole organisation.')
}

function refused(context: Context, what: string): number {
  context.note(what)
  return 1
}

function createDialog(context: Context, { yes, removeMissing }: { readonly yes: boolean; readonly removeMissing: boolean }): SyncDialog {
  const ask = async (question: string): Promise<boolean> => yes || context.confirm(question)
  return {
    confirmCalls(plan) {
      context.note(describePlan(plan))
      return ask('Read the people?')
    },
    onDepartment(done, of) {
      // A few lines, whatever the number of departments.
      if (context.logIsTerminal && done % Math.ceil(of / 10) === 0) context.note(`${done} of ${of} read`)
    },
    confirmWrite(summary) {
      context.note(describeChanges(summary, { removesMissing: removeMissing, showsNames: context.logIsTerminal }))
      return ask('Store this?')
    },
  }
}

function describePlan({ app, departments, made, atLeast, left, reachesTop }: CallPlan): string {
  const cut = reachesTop ? '' : ' The app may not see all departments above --root: paths begin with the highest one that it may see.'
  const budget = left === null ? '' : `; MONTHLY_CALL_BUDGET leaves ${left}`
  return `app ${plainText(app)}: ${count(departments, 'department')} below the root, ${count(made, 'call')} made. The people need at least ${atLeast} more${budget}.${cut}`
}

function describeChanges(summary: SyncSummary, options: PreviewOptions): string {
  const { people, departments, calls } = summary
  const title = `${count(people, 'person', 'people')} in ${count(departments, 'department')}, read with ${count(calls, 'call')}`
  return `${title}\n${renderPreview(summary, options)}`
}

function describeStored({ created, changed, unchanged, erased, missing, removed, calls }: SyncSummary, removeMissing: boolean): string {
  const parts = [
    `stored: ${created} new, ${changed} changed, ${unchanged} unchanged`,
    ...(erased > 0 ? [`${erased} left out (erased)`] : []),
    ...(removeMissing ? [`${removed} removed`] : missing > 0 ? [`${missing} not listed by DingTalk were kept`] : []),
    count(calls, 'call'),
  ]
  return parts.join(', ')
}

function count(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`
}
