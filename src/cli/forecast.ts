import { InvalidArgumentError, Option } from 'commander'
import { createCalendar } from '../app/calendar.ts'
import type { Config } from '../app/config/config.ts'
import { readLawFile } from '../app/config/law-file.ts'
import { MAX_POLLS, TARGET_WIDTH } from '../app/config/schedule-values.ts'
import type { Value } from '../app/config/values.ts'
import { createForecaster, type ForecastQuestion } from '../app/forecast.ts'
import { budgetsOf } from '../app/settings.ts'
import type { Calendar } from '../domain/schedule/types.ts'
import { parseApp } from '../intake/track-request.ts'
import { readTextFile } from '../lib/read-text-file.ts'
import { withTimeout } from '../lib/timeout.ts'
import { MAX_FORECAST_RECIPIENTS } from '../report/forecast.ts'
import type { AddCommand } from './command.ts'
import type { Context } from './context.ts'
import { configWithEmbedded } from './embedded.ts'
import { parseNumber } from './options.ts'
import { CLOSE_TIMEOUT_MS } from './reads.ts'
import { parseSentAt, SENT_AT } from './sent-at.ts'
import { describeForecast } from './text/forecast.ts'

interface ForecastOptions {
  readonly recipients: number
  readonly sentAt?: string
  readonly polls?: number
  readonly targetWidth?: number
  readonly app?: string
  readonly law?: string
  readonly json?: boolean
}

const EXAMPLES = `
Examples:
  $ npx dingtalk-delivery forecast --recipients 3000
  $ npx dingtalk-delivery forecast --recipients 3000 --sent-at "2026-12-01 16:30" --target-width 15m
  $ npx dingtalk-delivery forecast --recipients 3000 --polls 24 --law law.json --json`

export const addForecast: AddCommand = (program, context, run) => {
  program
    .command('forecast')
    .description(
      'what a campaign will cost and tell: calls, how exactly the times of reads become known, when it is polled; nothing is sent or called',
    )
    .requiredOption('--recipients <number>', 'people in the campaign, which is sent in tasks of 100', (text) =>
      parseNumber(text, 1, MAX_FORECAST_RECIPIENTS, true),
    )
    .option('--sent-at <time>', `when it is sent: ${SENT_AT} (default: now)`)
    .option('--polls <number>', 'exactly so many polls a task (default: as the settings and the budget say)', (text) =>
      parseNumber(text, 1, MAX_POLLS, true),
    )
    .addOption(
      new Option('--target-width <duration>', 'the fewest polls with which a read is known to within this on average, such as 15m')
        .argParser((text) => parseValue(text, TARGET_WIDTH))
        .conflicts('polls'),
    )
    .option('--app <name>', 'the app whose law and budget count (default: the only one)')
    .option('--law <file>', 'a JSON file that says when people read, instead of what was learned; no database is needed then')
    .option('--json', 'print all figures as JSON')
    .addHelpText('after', EXAMPLES)
    .action(
      run(async ({ json = false, ...options }: ForecastOptions) => {
        const law =
          options.law === undefined ? undefined : readLawFile(options.law, (path, max) => readTextFile(context.resolvePath(path), max))
        const config = law === undefined ? await configWithEmbedded(context) : context.config()
        const calendar = createCalendar(config.schedule.calendar, config.timeScale)
        const forecast = await withForecaster(context, config, law === undefined, (forecaster) =>
          forecaster({ law, ...parseQuestion(options, config, calendar) }),
        )
        const clock = { ...calendar, timeZone: config.schedule.calendar.timeZone }
        context.print(json ? JSON.stringify(forecast, null, 2) : describeForecast(forecast, clock, context))
      }),
    )
}

/** Opens the database where it has something to say, and closes it after `work`. */
async function withForecaster<T>(
  { now }: Context,
  { schedule, timeScale, apps, databaseUrl, ...rest }: Config,
  needsDatabase: boolean,
  work: (forecaster: ReturnType<typeof createForecaster>) => Promise<T>,
): Promise<T> {
  const deps = { schedule, timeScale, apps: apps.map(({ name }) => name), budgets: budgetsOf({ apps, ...rest }), now }
  if (databaseUrl === null || !needsDatabase) return work(createForecaster({ ...deps, stored: null }))
  const { openForecastSource } = await import('../app/operations.ts')
  const { close, ...stored } = openForecastSource(databaseUrl)
  try {
    return await work(createForecaster({ ...deps, stored }))
  } finally {
    await withTimeout(CLOSE_TIMEOUT_MS, close()).catch(() => undefined)
  }
}

function parseQuestion(options: ForecastOptions, config: Config, calendar: Calendar): Omit<ForecastQuestion, 'law'> {
  const { recipients, polls, targetWidth, sentAt, app } = options
  return {
    ...{ recipients, polls, targetWidthMs: targetWidth },
    ...(sentAt !== undefined && { sentAt: parseSentAt(sentAt, calendar) }),
    ...(app !== undefined && { app: parseApp(app) }),
  }
}

/** @throws InvalidArgumentError, which is wrong usage */
function parseValue<T>(text: string, { accepted, parse }: Value<T>): T {
  const value = parse(text)
  if (value === undefined) throw new InvalidArgumentError(`Accepted: ${accepted}.`)
  return value
}
