import type { AddCommand } from './command.ts'
import { numberOf, portOf } from './options.ts'

interface SimulatorOptions {
  readonly port: number
  readonly timeScale: number
  readonly seed: number
  readonly callsPerSecond: number
  /** 0: none. */
  readonly monthlyQuota: number
}

const EXAMPLES = `
Example, in two terminals:
  $ dingtalk-delivery simulator --port 8090 --time-scale 1440
  $ DINGTALK_OAPI_URL=http://127.0.0.1:8090 DINGTALK_API_URL=http://127.0.0.1:8090 TIME_SCALE=1440 \\
    DINGTALK_APP_KEY=sim-app-key DINGTALK_APP_SECRET=sim-app-secret DINGTALK_AGENT_ID=836390886 dingtalk-delivery start`

export const addSimulator: AddCommand = (program, context, run) => {
  program
    .command('simulator')
    .description('a server that answers as DingTalk does, to try and test senders without an account')
    .option('--port <port>', 'where it listens on 127.0.0.1; 0 takes a free port', portOf, 8090)
    .option('--time-scale <n>', 'a day takes 24 h / n', (text) => numberOf(text, 1, 100_000, false), 1)
    .option('--seed <n>', 'the same seed and the same task ids give the same people', (text) => numberOf(text, 0, 2 ** 31 - 1, true), 1)
    .option(
      '--calls-per-second <n>',
      'per app and API; more is refused as DingTalk does',
      (text) => numberOf(text, 1, 1_000_000, false),
      20,
    )
    .option('--monthly-quota <n>', 'calls of all apps a month; 0 is none', (text) => numberOf(text, 0, 1_000_000_000, true), 5_000)
    .addHelpText('after', EXAMPLES)
    .action(
      run(async ({ monthlyQuota, ...options }: SimulatorOptions) => {
        const { runService } = await import('./service.ts')
        return runService(context, context.config(), async ({ closers }) => {
          const { startSimulator } = await import('../simulator/simulator.ts')
          const settings = { ...options, monthlyQuota: monthlyQuota === 0 ? null : monthlyQuota }
          const simulator = await startSimulator(settings).catch((error: unknown) => Promise.reject(explained(error, options.port)))
          closers.add('simulator', () => simulator.close())
          context.print(simulator.url)
          context.note('App key sim-app-key, app secret sim-app-secret, agent id 836390886. Stop with Ctrl-C.')
          return undefined
        })
      }),
    )
}

/** The system's own words name no remedy. */
function explained(error: unknown, port: number): unknown {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'EADDRINUSE')
    return new Error(`Port ${port} of 127.0.0.1 is taken by another process. Choose another --port; 0 takes a free one.`)
  if (code === 'EACCES') return new Error(`Port ${port} is not open to this user. Choose a --port above 1023; 0 takes a free one.`)
  return error
}
