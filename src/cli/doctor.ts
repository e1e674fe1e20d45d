import { InvalidArgumentError } from 'commander'
import { parseApp, parseTaskId } from '../intake/track-request.ts'
import type { Finding } from '../lib/finding.ts'
import type { AddCommand } from './command.ts'
import { configWithEmbedded } from './embedded.ts'
import { type Column, plainText, renderTable } from './text/table.ts'

interface DoctorOptions {
  readonly json?: boolean
  readonly task?: string
  readonly app?: string
}

export const addDoctor: AddCommand = (program, context, run) => {
  program
    .command('doctor')
    .description('check database, schema, queue, credentials, clock, late polls and problems, and say what to fix')
    .option('--task <id>', 'check this task too: why it cannot be polled, or why it ended')
    .option('--app <name>', 'the app, where several have a task of this id')
    .option('--json', 'print the findings as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  $ npx dingtalk-delivery doctor\n  $ npx dingtalk-delivery doctor --task 256271667526\n\nExits with 1 if anything is wrong; ! marks what does not stop the work.',
    )
    .action(
      run(async ({ json, task, app }: DoctorOptions) => {
        if (task === undefined && app !== undefined) throw new InvalidArgumentError('Give --app with --task only.')
        const ref = task === undefined ? null : { taskId: parseTaskId(task), app: app === undefined ? undefined : parseApp(app) }
        const [{ diagnose }, { workerTiming }] = await Promise.all([import('../ops/doctor.ts'), import('../app/settings.ts')])
        const config = await configWithEmbedded(context)
        const findings = await diagnose(config, workerTiming(config), ref)
        const { colors } = context
        const columns: ReadonlyArray<Column<Finding>> = [
          { title: '', show: ({ ok, warning }) => (ok ? colors.green('✓') : warning === true ? colors.yellow('!') : colors.red('✗')) },
          { title: 'Check', show: ({ name }) => plainText(name) },
          { title: 'Finding', show: ({ detail }) => plainText(detail) },
        ]
        context.print(json === true ? JSON.stringify(findings, null, 2) : renderTable(columns, findings, colors))
        const wrong = findings.filter(({ ok }) => !ok)
        for (const { name, remedy } of wrong) context.note(`${name}: ${plainText(remedy ?? null, 'see above')}`)
        return wrong.length === 0 ? 0 : 1
      }),
    )
}
