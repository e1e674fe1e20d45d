import { TrackerError } from '../domain/errors.ts'
import { parseTaskId } from '../intake/track-request.ts'
import type { AddCommand } from './command.ts'
import { requireDatabase } from './embedded.ts'
import { severalApps, unknownTask, withReader } from './reads.ts'

export const addCancel: AddCommand = (program, context, run) => {
  program
    .command('cancel')
    .description('stop tracking a task; what is known of it stays')
    .argument('<task-id>', 'the task')
    .option('--app <name>', 'the app, where several have a task of this id')
    .addHelpText('after', '\nExample:\n  $ dingtalk-delivery cancel 256271667526')
    .action(
      run(async (text: string, { app }: { readonly app?: string }) => {
        const taskId = parseTaskId(text)
        await withReader(context, async (reader, config) => {
          const { cancelTask } = await import('../app/cancel.ts')
          const task = await reader.task({ taskId, app }).catch(unknownTask).catch(severalApps)
          if (await cancelTask(requireDatabase(config), task)) return context.print('cancelled')
          const after = await reader.task({ taskId, app: task.app })
          if (after.status === 'cancelled') return context.print('already cancelled')
          throw new TrackerError(
            'TASK_ENDED',
            `Task ${taskId} has ended already (${after.status}). Only a task that is tracked can be cancelled.`,
          )
        })
      }),
    )
}
