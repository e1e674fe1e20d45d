import type { Finding } from '../core/finding.ts'
import type { AddCommand } from './command.ts'
import { configWithEmbedded } from './embedded.ts'
import { type Column, plainText, renderTable } from './text/table.ts'

export const addDoctor: AddCommand = (program, context, run) => {
  program
    .command('doctor')
    .description('check database, schema, queue, credentials, clock and late looks, and say what to fix')
    .option('--json', 'print the findings as JSON')
    .addHelpText(
      'after',
      '\nExample:\n  $ dingtalk-delivery doctor\n\nExits with 1 if anything is wrong; ! marks what does not stop the work.',
    )
    .action(
      run(async ({ json }: { readonly json?: boolean }) => {
        const { diagnose } = await import('../wiring/doctor.ts')
        const findings: readonly Finding[] = await diagnose(await configWithEmbedded(context))
        const { colors } = context
        const columns: ReadonlyArray<Column<Finding>> = [
          { title: '', show: ({ ok, warning }) => (ok ? colors.green('✓') : warning === true ? colors.yellow('!') : colors.red('✗')) },
          { title: 'Check', show: ({ name }) => plainText(name) },
          { title: 'Finding', show: ({ detail }) => plainText(detail) },
        ]
        context.print(json === true ? JSON.stringify(findings, null, 2) : renderTable(columns, findings, colors))
        for (const hint of context.typos) context.note(`hint: ${hint}`)
        const wrong = findings.filter(({ ok }) => !ok)
        for (const { name, remedy } of wrong) context.note(`${name}: ${plainText(remedy ?? null, 'see above')}`)
        return wrong.length === 0 ? 0 : 1
      }),
    )
}
