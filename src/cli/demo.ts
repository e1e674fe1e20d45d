import type { AddCommand } from './command.ts'

export const addDemo: AddCommand = (program, context, run) => {
  program
    .command('demo')
    .description('see it work in about a minute: a simulated DingTalk, a day of reads, a read-rate table; needs nothing')
    .option('--exit', 'end when the day is over instead of staying up until Ctrl-C')
    .addHelpText('after', '\nExample:\n  $ npx dingtalk-delivery demo --exit')
    .action(
      run(async ({ exit = false }: { readonly exit?: boolean }) => {
        const { demo } = await import('./demo/run.ts')
        return demo(context, exit)
      }),
    )
}
