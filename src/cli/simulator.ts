import { InvalidArgumentError } from 'commander'
import { InvalidInputError } from '../domain/errors.ts'
import { quote } from '../domain/quote.ts'
import { fileFault, readTextFile } from '../lib/read-text-file.ts'
import { CLOCK_START_FORMS, parseClockStart } from '../lib/simulated-clock.ts'
import type { ReadingLaw } from '../simulator/attention.ts'
import { PRESETS } from '../simulator/presets.ts'
import type { AddCommand } from './command.ts'
import type { Context } from './context.ts'
import { parseNumber } from './options.ts'

interface SimulatorOptions {
  readonly port: number
  readonly timeScale: number
  readonly seed: number
  readonly callsPerSecond: number
  /** 0: none. */
  readonly monthlyQuota: number
  readonly app: readonly App[]
  readonly people: number
  readonly law?: string
  readonly clockStart?: string
  readonly freeDates?: readonly string[]
  readonly workDates?: readonly string[]
  readonly wrongAgentCode?: string
  readonly foreignAgentCode?: string
  readonly unknownTaskCode?: string
  readonly expiredTaskCode?: string
}

/** The longest law, 10,000 edges, is shorter. */
const MAX_LAW_BYTES = 1_048_576
const LAW_NAMES = Object.keys(PRESETS).join(', ')

interface App {
  readonly appKey: string
  readonly appSecret: string
  readonly agentId: string
}

const DEFAULT_APP: App = { appKey: 'sim-app-key', appSecret: 'sim-app-secret', agentId: '836390886' }

const EXAMPLES = `
Example, in two terminals:
  $ npx dingtalk-delivery simulator --port 8090 --time-scale 1440
  $ DINGTALK_OAPI_URL=http://127.0.0.1:8090 DINGTALK_API_URL=http://127.0.0.1:8090 TIME_SCALE=1440 \\
    DINGTALK_APP_KEY=sim-app-key DINGTALK_APP_SECRET=sim-app-secret DINGTALK_AGENT_ID=836390886 npx dingtalk-delivery start`

export const addSimulator: AddCommand = (program, context, run) => {
  program
    .command('simulator')
    .description('a server that answers as DingTalk does, to try and test senders without an account')
    .option('--port <port>', 'where it listens on 127.0.0.1; 0 takes a free port', (text) => parseNumber(text, 0, 65_535, true), 8090)
    .option('--time-scale <n>', 'a day takes 24 h / n', (text) => parseNumber(text, 1, 100_000, false), 1)
    .option('--seed <n>', 'the same seed and the same task ids give the same people', (text) => parseNumber(text, 0, 2 ** 31 - 1, true), 1)
    .option(
      '--calls-per-second <n>',
      'per app and API; more is refused as DingTalk does',
      (text) => parseNumber(text, 1, 1_000_000, false),
      20,
    )
    .option('--monthly-quota <n>', 'calls of all apps a month; 0 is none', (text) => parseNumber(text, 0, 1_000_000_000, true), 5_000)
    .option('--app <key:secret:agent>', 'an app with its credentials and agent id; can be given several times', addApp, [])
    .option(
      '--people <n>',
      'people of the contact API, drawn from the seed, in twelve departments',
      (text) => parseNumber(text, 0, 200_000, true),
      0,
    )
    .option('--law <name|file>', `when people read: ${LAW_NAMES}, or a JSON file with a law`)
    .option(
      '--clock-start <time>',
      'local time at the start: "Tue 10:00" or 2026-12-01T10:00; a minute then takes 1 min / time scale',
      parseStart,
    )
    .option('--free-dates <dates>', 'local dates besides weekends that are no work days: 2026-12-25,2026-12-28', parseDates)
    .option('--work-dates <dates>', 'local dates at weekends that are work days', parseDates)
    .option('--wrong-agent-code <code>', 'answer for an agent id that no app has (default 400002)', parseCode)
    .option('--foreign-agent-code <code>', "answer for another app's agent id (default 41020)", parseCode)
    .option('--unknown-task-code <code>', 'answer for a task that never was (default 400002)', parseCode)
    .option('--expired-task-code <code>', 'answer for a task after its 24 hours (default: as for an unknown one)', parseCode)
    .addHelpText('after', EXAMPLES)
    .action(
      run(async ({ monthlyQuota, app, people, law, ...options }: SimulatorOptions) => {
        const attention = law === undefined ? undefined : await readLaw(law, context)
        const { runService } = await import('./service.ts')
        return runService(context, context.config(), async ({ closers }) => {
          const { startSimulator } = await import('../simulator/simulator.ts')
          const apps = app.length === 0 ? [DEFAULT_APP] : app
          const settings = { ...options, attention, apps, directory: { people }, monthlyQuota: monthlyQuota === 0 ? null : monthlyQuota }
          const simulator = await startSimulator(settings).catch((error: unknown) => Promise.reject(withRemedy(error, options.port)))
          closers.add('simulator', () => simulator.close())
          context.print(simulator.url)
          context.note(`${apps.map(describeApp).join(' ')} Stop with Ctrl-C.`)
          if (simulator.clockStart !== null) context.note(`CLOCK_START=${simulator.clockStart}`)
          return undefined
        })
      }),
    )
}

/** Only the secret of the default app is shown: a chosen one may be in use elsewhere. */
function describeApp({ appKey, appSecret, agentId }: App): string {
  const secret = appSecret === DEFAULT_APP.appSecret ? ` app secret ${appSecret},` : ''
  return `App key ${appKey},${secret} agent id ${agentId}.`
}

/** @throws InvalidArgumentError, which is wrong usage */
function addApp(text: string, apps: readonly App[]): App[] {
  const [, appKey, appSecret, agentId] = /^([^:\s]+):([^:\s]+):(\d{1,19})$/.exec(text) ?? []
  if (appKey === undefined || appSecret === undefined || agentId === undefined)
    throw new InvalidArgumentError('Accepted: KEY:SECRET:AGENT_ID, such as other-key:other-secret:836390887.')
  if (apps.some((app) => app.appKey === appKey)) throw new InvalidArgumentError(`There is an app ${appKey} already.`)
  return [...apps, { appKey, appSecret, agentId }]
}

/** @throws InvalidArgumentError, which is wrong usage */
function parseCode(text: string): string {
  if (/^[\w.-]{1,100}$/.test(text)) return text
  throw new InvalidArgumentError('Accepted: a code such as 41011, 400002 or InvalidAuthentication.')
}

/** A preset by its name, or a file. @throws InvalidArgumentError, which is wrong usage */
async function readLaw(given: string, context: Context): Promise<ReadingLaw> {
  const { parseLaw } = await import('../simulator/attention.ts')
  try {
    return parseLaw(Object.hasOwn(PRESETS, given) ? given : readJson(given, context), 'law')
  } catch (error) {
    if (error instanceof InvalidInputError) throw new InvalidArgumentError(`--law ${quote(given)}: ${error.message}`)
    throw error
  }
}

/** @throws InvalidArgumentError, which is wrong usage */
function readJson(file: string, context: Context): unknown {
  const refuse = (fault: string) => new InvalidArgumentError(`--law: ${quote(file)} is none of ${LAW_NAMES}, and as a file ${fault}.`)
  let text: string
  try {
    text = readTextFile(context.resolvePath(file), MAX_LAW_BYTES)
  } catch (error) {
    throw refuse(`it cannot be read (${fileFault(error)})`)
  }
  try {
    return JSON.parse(text)
  } catch (error) {
    throw refuse(`it is not JSON (${error instanceof Error ? error.message : String(error)})`)
  }
}

/** @throws InvalidArgumentError, which is wrong usage */
function parseStart(text: string): string {
  if (parseClockStart(text, 0) !== undefined) return text
  throw new InvalidArgumentError(`Accepted: ${CLOCK_START_FORMS}.`)
}

/** @throws InvalidArgumentError, which is wrong usage */
function parseDates(text: string): string[] {
  const dates = text.split(',').map((date) => date.trim())
  if (dates.every((date) => new Date(`${date}T00:00Z`).toJSON()?.slice(0, 10) === date)) return dates
  throw new InvalidArgumentError('Accepted: dates such as 2026-12-25, with commas between them.')
}

/** Adds the remedy to an error of the system. */
function withRemedy(error: unknown, port: number): unknown {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'EADDRINUSE')
    return new Error(`Port ${port} of 127.0.0.1 is taken by another process. Choose another --port; 0 takes a free one.`)
  if (code === 'EACCES') return new Error(`Port ${port} is not open to this user. Choose a --port above 1023; 0 takes a free one.`)
  return error
}
