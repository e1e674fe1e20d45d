import { basename } from 'node:path'
import type { Command } from 'commander'
import { parseApp } from '../intake/track-request.ts'
import type { Run } from './command.ts'
import type { Context } from './context.ts'
import { configWithEmbedded, requireDatabase } from './embedded.ts'
import { compare, number, renderPreview } from './people/preview.ts'
import type { PeopleFile } from './people/read-file.ts'
import { plainText } from './text/table.ts'

interface ImportOptions {
  readonly app?: string
  readonly dryRun?: boolean
  readonly yes?: boolean
  readonly removeMissing?: boolean
}

const EXAMPLES = `
Examples:
  $ npx dingtalk-delivery people import people.csv --dry-run
  $ npx dingtalk-delivery people import people.xlsx --app hr --remove-missing

The first line with a column of user ids has the titles: user_id or 员工UserID, name or 姓名, department or 部门, manager_user_id or 直属主管UserID.
A department is a path such as Headquarters/Sales; several are separated by ";". A column that the file lacks keeps what is stored.`

export function addPeopleImport(people: Command, context: Context, run: Run): void {
  people
    .command('import')
    .description('store names and departments from a CSV file or an .xlsx workbook; shows what will change first')
    .argument('<file>', "the file; DingTalk's own export of the address book is understood")
    .option('--app <name>', 'of the app with this name (default: default)')
    .option('--dry-run', 'show what would change, and change nothing')
    .option('--yes', 'do not ask')
    .option('--remove-missing', 'also remove the people of this app whom the file does not name')
    .addHelpText('after', EXAMPLES)
    .action(run((file: string, options: ImportOptions) => importFile(context, file, options)))
}

async function importFile(context: Context, name: string, options: ImportOptions): Promise<number | void> {
  const app = parseApp(options.app)
  const { readPeopleFile } = await import('./people/read-file.ts')
  const file = await readPeopleFile(name, context.resolvePath(name))
  const databaseUrl = requireDatabase(await configWithEmbedded(context))
  const { withPeople } = await import('../app/people.ts')
  return withPeople(databaseUrl, app, async (directory) => {
    const { dryRun = false, yes = false, removeMissing = false } = options
    const comparison = compare(file.people, await directory.stored(), await directory.compare(file.people))
    const showsNames = dryRun || context.screen.isLive
    context.print(`${describeFile(file, name, app)}\n${renderPreview(comparison, { removesMissing: removeMissing, showsNames })}`)
    if (dryRun) return context.print('Nothing was changed: --dry-run.')
    const removed = removeMissing ? comparison.missingIds : []
    if (!yes && comparison.created + comparison.changed + removed.length > 0 && !(await context.confirm('Store this?'))) {
      context.print('Nothing was changed.')
      return 1
    }
    const done = await directory.write(file.people, { removed, onProgress: progress(context, file.people.length) })
    context.print(
      `Stored: ${number(done.created)} new, ${number(done.changed)} changed, ${number(done.unchanged)} unchanged, ${number(done.removed)} removed.`,
    )
  })
}

function describeFile({ people, kind, columns, ignored, isOfDingTalk, numbers }: PeopleFile, name: string, app: string): string {
  const list = (titles: readonly string[]): string => titles.map((title) => plainText(title)).join(', ')
  return [
    `${basename(name)} (${kind}): ${number(people.length)} ${people.length === 1 ? 'person' : 'people'} of the app ${app}`,
    `Columns: ${list(columns)}`,
    ...(ignored.length > 0 ? [`Ignored: ${list(ignored)}`] : []),
    ...(isOfDingTalk ? ['Departments as DingTalk exports them: levels separated by "-", several by ","'] : []),
    ...(numbers > 0
      ? [
          `Check: ${number(numbers)} user ${numbers === 1 ? 'id is a number' : 'ids are numbers'} in the file. Where an id begins with 0, Excel has removed it: format the column as text.`,
        ]
      : []),
  ].join('\n')
}

/** With fewer people it takes less than a second. */
const LONG = 20_000

/** A line now and then, in a terminal only. */
function progress(context: Context, total: number): ((done: number) => void) | undefined {
  if (!context.logIsTerminal || total < LONG) return undefined
  return (done) => {
    if (done % LONG === 0 || done === total) context.note(`${number(done)} of ${number(total)}`)
  }
}
