import { Option } from 'commander'
import type { AddCommand } from './command.ts'
import { requireDatabase } from './context.ts'
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
        const databaseUrl = requireDatabase(context.config().databaseUrl)
        const { openReads } = await import('../wiring.ts')
        const reads = openReads(databaseUrl)
        try {
          const { colors } = context
          context.print(
            by === 'task'
              ? render(format, await reads.rates.taskRates(filter), taskListing(colors), colors)
              : render(format, await reads.rates.campaignRates(filter), campaignListing(colors), colors),
          )
        } finally {
          await reads.close()
        }
      }),
    )
}
