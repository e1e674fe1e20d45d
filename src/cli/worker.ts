import type { AddCommand } from './command.ts'
import { configWithEmbedded, requireDatabase } from './embedded.ts'

export const addWorker: AddCommand = (program, context, run) => {
  program
    .command('worker')
    .description('poll until a signal stops it; /livez, /readyz and /metrics on HEALTH_PORT')
    .addHelpText(
      'after',
      '\nExample:\n  $ DATABASE_URL=postgres://… QUEUE_URL=redis://… DINGTALK_APP_KEY=… DINGTALK_APP_SECRET=… npx dingtalk-delivery worker',
    )
    .action(
      run(async () => {
        const { openWorker, runService } = await import('./service.ts')
        const config = await configWithEmbedded(context)
        requireDatabase(config)
        return runService(context, config, async (service) => {
          const { wedged } = await openWorker(config, service)
          return wedged
        })
      }),
    )
}
