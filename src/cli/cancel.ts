import type { TaskKey } from '../domain/delivery.ts'
import { parseTaskId } from '../intake/track-request.ts'
import { cancelTask } from '../polling/task-commands.ts'
import type { AddCommand } from './command.ts'
import { requireDatabase } from './embedded.ts'
import { withReader } from './reads.ts'

export const addCancel: AddCommand = (program, context, run) => {
  program
    .command('cancel')
    .description('stop tracking a task; its data stays')
    .argument('<task-id>', 'the task')
    .option('--app <name>', 'the app, where several have a task of this id')
    .addHelpText('after', '\nExample:\n  $ npx dingtalk-delivery cancel 256271667526')
    .action(
      run(async (text: string, { app }: { readonly app?: string }) => {
        const taskId = parseTaskId(text)
        await withReader(context, async (reader, config) => {
          const stored = await import('../app/operations.ts')
          const tracking = { cancel: (key: TaskKey) => stored.cancelTask(requireDatabase(config), key) }
          const { isNew } = await cancelTask(reader, tracking, { taskId, app })
          context.print(isNew ? 'cancelled' : 'already cancelled')
        })
      }),
    )
}
