import { assertGuarded } from '../web/exposure.ts'
import type { AddCommand } from './command.ts'
import { configWithEmbedded, requireDatabase } from './embedded.ts'

export const addServe: AddCommand = (program, context, run) => {
  program
    .command('serve')
    .description('the HTTP API and the dashboard on PORT; a worker elsewhere makes the polls')
    .addHelpText('after', '\nExample:\n  $ DATABASE_URL=postgres://… npx dingtalk-delivery serve')
    .action(
      run(async () => {
        const { openServer, runService } = await import('./service.ts')
        const config = await configWithEmbedded(context)
        requireDatabase(config)
        assertGuarded(config.host, config.apiToken ?? config.authHeader)
        return runService(context, config, async (service) => {
          const { url } = await openServer(config, service)
          context.note(`Dashboard: ${url}/  API: ${url}/v1/openapi.json  Stop with Ctrl-C.`)
          return undefined
        })
      }),
    )
}
