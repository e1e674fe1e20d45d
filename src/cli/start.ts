import type { Config } from '../app/config/config.ts'
import { assertGuarded } from '../web/exposure.ts'
import type { AddCommand } from './command.ts'
import type { Context } from './context.ts'
import { EMBEDDED_DIRECTORY } from './embedded.ts'
import type { Service } from './service.ts'

export const addStart: AddCommand = (program, context, run) => {
  program
    .command('start')
    .description('migrate, work and serve in one process; without DATABASE_URL it runs its own PostgreSQL in ./.data')
    .addHelpText(
      'after',
      '\nExample:\n  $ DINGTALK_APP_KEY=… DINGTALK_APP_SECRET=… DINGTALK_AGENT_ID=836390886 npx dingtalk-delivery start',
    )
    .action(
      run(async () => {
        const { openServer, openWorker, runService } = await import('./service.ts')
        const settings = context.config()
        assertGuarded(settings.host, settings.apiToken ?? settings.authHeader)
        return runService(context, settings, async (service) => {
          const config = settings.databaseUrl === null ? await withEmbedded(context, service) : settings
          const { migrateAll } = await import('../app/operations.ts')
          const { database } = await migrateAll(config)
          if (database.length > 0) service.log.info({ applied: database }, 'database migrated')
          const { health, wedged } = await openWorker(config, service, async (shared) => {
            const { url } = await openServer(config, service, shared)
            context.note(`Dashboard: ${url}/  API: ${url}/v1/openapi.json`)
          })
          context.note(`Working. Health and metrics: ${health.url}/readyz, ${health.url}/metrics. Stop with Ctrl-C.`)
          return wedged
        })
      }),
    )
}

async function withEmbedded(context: Context, { log, closers }: Service): Promise<Config> {
  const { startEmbeddedPostgres } = await import('../embedded/postgres.ts')
  const database = await startEmbeddedPostgres({
    directory: context.resolvePath(EMBEDDED_DIRECTORY),
    onLog: (line) => log.debug({ line }, 'embedded PostgreSQL'),
  })
  closers.add('embedded PostgreSQL', () => database.close())
  void database.exited.then((reason) => log.info({ reason }, 'embedded PostgreSQL ended'))
  context.note(`Embedded PostgreSQL in ${EMBEDDED_DIRECTORY}; the other commands find it from this directory.`)
  return context.config({ DATABASE_URL: database.url })
}
