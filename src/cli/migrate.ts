import type { AddCommand } from './command.ts'
import { configWithEmbedded, requireDatabase } from './embedded.ts'

export const addMigrate: AddCommand = (program, context, run) => {
  program
    .command('migrate')
    .description('bring the database (and the queue, where it is PostgreSQL) up to date; safe to run twice and from many machines at once')
    .addHelpText('after', '\nExample:\n  $ DATABASE_URL=postgres://user:password@host/dingtalk npx dingtalk-delivery migrate')
    .action(
      run(async () => {
        const config = await configWithEmbedded(context)
        requireDatabase(config)
        const { migrateAll } = await import('../app/operations.ts')
        const { database, queue } = await migrateAll(config)
        context.print(database.length === 0 ? 'database: up to date' : database.map((name) => `database: applied ${name}`).join('\n'))
        if (queue !== null) context.print(`queue: ${queue}`)
      }),
    )
}
