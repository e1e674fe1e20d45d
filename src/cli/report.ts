import { Option } from 'commander'
import type { AddCommand } from './command.ts'
import { configWithEmbedded, requireDatabase } from './embedded.ts'
import { formatOption, sinceOption } from './options.ts'
import { campaignListing, type Format, render, taskListing } from './rates.ts'

interface ReportOptions {
  readonly campaign?: string
  readonly since?: Date
  readonly by: 'campaign' | 'task'
  readonly format: Format
}

const EXAMPLES = `
Examples:
  $ dingtalk-delivery report --since 7d
  $ dingtalk-delivery report --campaign payroll-11 --by task --format csv > payroll-11.csv`

export const addReport: AddCommand = (program, context, run) => {
  program
    .command('report')
    .description('read rates, a line for each campaign; people in several tasks of a campaign count once')
    .option('--campaign <name>', 'only this campaign')
    .addOption(sinceOption(context.now))
    .addOption(new Option('--by <what>', 'a line for each').choices(['campaign', 'task']).default('campaign'))
    .addOption(formatOption())
    .addHelpText('after', EXAMPLES)
    .action(
      run(async ({ by, format, ...filter }: ReportOptions) => {
        const databaseUrl = requireDatabase(await configWithEmbedded(context))
        const { openReads } = await import('../wiring.ts')
        const { rates, close } = openReads(databaseUrl)
        try {
          const { colors } = context
          context.print(
            by === 'task'
              ? render(format, await rates.taskRates(filter), taskListing(colors), context)
              : render(format, await rates.campaignRates(filter), campaignListing(colors), context),
          )
        } finally {
          await close()
        }
      }),
    )
}
