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

Every figure stays as it is. It is safe to run again, also after it was interrupted.`

export const addErase: AddCommand = (program, context, run) => {
  program
    .command('erase')
    .description("replace a person's user id by a random pseudonym, in all tasks and in the queue; totals stay")
    .requiredOption('--user <id>', 'the user id, as DingTalk writes it', parseUserArgument)
    .option('--app <name>', 'in the tasks of this app only (default: of all apps)')
    .option('--json', 'print what was changed as JSON')
    .addHelpText('after', EXAMPLES)
    .action(
      run(async ({ user, app, json = false }: EraseOptions) => {
        const person = { userId: user, app: app === undefined ? null : parseApp(app) }
        const config = await configWithEmbedded(context)
        const { erasePersonEverywhere } = await import('../app/operations.ts')
        const { tasks, jobs } = await erasePersonEverywhere(requireDatabase(config), requireQueue(config), person)
        if (json) return context.print(JSON.stringify({ tasks, jobs }))
        // Never the id itself: what a command prints ends up in logs.
        if (tasks + jobs === 0) return context.print('nothing found: no task and no job in the queue names this person')
        context.print(`erased in ${tasks} ${tasks === 1 ? 'task' : 'tasks'} and ${jobs} ${jobs === 1 ? 'job' : 'jobs'} of the queue`)
      }),
    )
}

const MAX_USER_ID = 256

function parseUserArgument(text: string): string {
  if (text !== '' && text.length <= MAX_USER_ID && !text.includes('\0')) return text
  throw new InvalidArgumentError(`Accepted: a user id of 1 to ${MAX_USER_ID} characters.`)
}
