import type { Config } from '../config.ts'
import type { AddCommand } from './command.ts'
import type { Context } from './context.ts'
import { openWorker, runService, type Service } from './service.ts'

/** Where the embedded PostgreSQL keeps its data, from the working directory. */
const DIRECTORY = './.data/postgres'

export const addStart: AddCommand = (program, context, run) => {
  program
    .command('start')
    .description('migrate and work in one process; without DATABASE_URL it runs its own PostgreSQL in ./.data')
    .addHelpText('after', '\nExample:\n  $ DINGTALK_APP_KEY=… DINGTALK_APP_SECRET=… DINGTALK_AGENT_ID=836390886 dingtalk-delivery start')
    .action(
      run(async () => {
        const settings = context.config()
        return runService(context, settings, async (service) => {
          const config = settings.databaseUrl === null ? await withEmbedded(context, service) : settings
          const { migrateAll } = await import('../wiring.ts')
          const { database } = await migrateAll(config)
          if (database.length > 0) service.log.info({ applied: database }, 'database migrated')
          const { health } = await openWorker(context, config, service)
          context.note(`Working. Health and metrics: ${health.url}/readyz, ${health.url}/metrics. Stop with Ctrl-C.`)
          return undefined
        })
      }),
    )
}

async function withEmbedded(context: Context, service: Service): Promise<Config> {
  const { startEmbeddedPostgres } = await import('../embedded/postgres.ts')
  const database = await startEmbeddedPostgres({ directory: DIRECTORY })
  service.closers.add('embedded PostgreSQL', () => database.stop())
  context.note(`Embedded PostgreSQL in ${DIRECTORY}. For the other commands: export DATABASE_URL=${database.url}`)
  return context.config({ DATABASE_URL: database.url })
}
