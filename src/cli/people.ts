import type { AddCommand } from './command.ts'
import { addPeopleImport } from './people-import.ts'
import { addPeopleReads } from './people-show.ts'
import { addPeopleSync } from './people-sync.ts'

const EXAMPLES = `
Examples:
  $ npx dingtalk-delivery people import people.xlsx
  $ npx dingtalk-delivery people sync --dry-run
  $ npx dingtalk-delivery people show 036632523163121146`

/** The commands about names and departments. */
export const addPeople: AddCommand = (program, context, run) => {
  const people = program.command('people').description('names and departments for user ids').addHelpText('after', EXAMPLES)
  addPeopleImport(people, context, run)
  addPeopleSync(people, context, run)
  addPeopleReads(people, context, run)
}
