import type { AddCommand } from './command.ts'
import { addPeopleReads } from './people-show.ts'

export const addPeople: AddCommand = (program, context, run) => {
  const people = program.command('people').description('names and departments for user ids')
  addPeopleReads(people, context, run)
}
