import { InvalidArgumentError } from 'commander'
import { parseApp } from '../intake/track-request.ts'
import type { AddCommand } from './command.ts'
import { configWithEmbedded, requireDatabase, requireQueue } from './embedded.ts'

interface EraseOptions {
  readonly user: string
  readonly app?: string
  readonly json?: boolean
}

const EXAMPLES = `
Examples:
  $ npx dingtalk-delivery erase --user 036632523163121146
  $ npx dingtalk-delivery erase --user manager4220 --app hr --json

Every figure stays as it is. It is safe to run again, also after it was interrupted.
Take the person out of the source of names first: imports leave them out for a day only.`

export const addErase: AddCommand = (program, context, run) => {
  program
    .command('erase')
    .description("remove a person's name, and replace the user id by a random pseudonym, in all tasks and in the queue; totals stay")
    .requiredOption('--user <id>', 'the user id, as DingTalk writes it', parseUserArgument)
    .option('--app <name>', 'in the tasks of this app only (default: of all apps)')
    .option('--json', 'print what was changed as JSON')
    .addHelpText('after', EXAMPLES)
    .action(
      run(async ({ user, app, json = false }: EraseOptions) => {
        const person = { userId: user, app: app === undefined ? null : parseApp(app) }
        const config = await configWithEmbedded(context)
        const { erasePersonEverywhere } = await import('../app/operations.ts')
        const { tasks, jobs, people } = await erasePersonEverywhere(requireDatabase(config), requireQueue(config), person)
        if (json) return context.print(JSON.stringify({ tasks, jobs, people }))
        // Never the id itself: what a command prints ends up in logs.
        if (tasks + jobs + people === 0)
          return context.print('nothing found: no task, no job in the queue and no row of people names this person')
        context.print(`erased in ${count(tasks, 'task')}, ${count(jobs, 'job')} of the queue and ${count(people, 'row')} of people`)
      }),
    )
}

const count = (of: number, noun: string): string => `${of} ${noun}${of === 1 ? '' : 's'}`

const MAX_USER_ID = 256

function parseUserArgument(text: string): string {
  if (text !== '' && text.length <= MAX_USER_ID && !text.includes('\0')) return text
  throw new InvalidArgumentError(`Accepted: a user id of 1 to ${MAX_USER_ID} characters.`)
}
