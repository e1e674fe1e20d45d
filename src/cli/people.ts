import type { AddCommand } from './command.ts'
import { addPeopleImport } from './people-import.ts'

const EXAMPLES = `
Examples:
  $ npx dingtalk-delivery people import people.xlsx`

/** The commands that store names and departments. */
export const addPeople: AddCommand = (program, context, run) => {
  const people = program.command('people').description('names and departments for user ids').addHelpText('after', EXAMPLES)
  addPeopleImport(people, context, run)
}
