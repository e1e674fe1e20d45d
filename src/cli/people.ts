import type { AddCommand } from './command.ts'
import { addPeopleReads } from './people-show.ts'

const EXAMPLES = `
Examples:
  $ npx dingtalk-delivery people show 036632523163121146`

/** The commands about names and departments. */
export const addPeople: AddCommand = (program, context, run) => {
  const people = program.command('people').description('names and departments for user ids').addHelpText('after', EXAMPLES)
  addPeopleReads(people, context, run)
}
