import type { AddCommand } from './command.ts'
import { requireDatabase } from './context.ts'

export const addMigrate: AddCommand = (program, context, run) => {
  program
    .command('migrate')
    .description('bring the database (and the queue, where it is PostgreSQL) up to date; safe to run twice and from many machines at once')
    .addHelpText('after', '\nExample:\n  $ DATABASE_URL=postgres://user:password@host/dingtalk dingtalk-delivery migrate')
    .action(
      run(async () => {
        const config = context.config()
        requireDatabase(config.databaseUrl)
        const { migrateAll } = await import('../wiring.ts')
        const { database, queue } = await migrateAll(config)
        const done = [...database.map((name) => `applied ${name}`), ...(queue === null ? [] : [queue])]
        context.print(done.length === 0 ? 'up to date' : done.join('\n'))
      }),
    )
}
