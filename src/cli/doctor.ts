import { InvalidArgumentError } from 'commander'
import { AGENT_ID } from '../app/config/values.ts'
import { quote } from '../domain/quote.ts'
import { parseApp, parseTaskId } from '../intake/track-request.ts'
import type { Finding } from '../lib/finding.ts'
import type { AddCommand } from './command.ts'
import { configWithEmbedded } from './embedded.ts'
import { type Column, plainText, renderTable } from './text/table.ts'

interface DoctorOptions {
  readonly json?: boolean
  readonly task?: string
  readonly app?: string
  readonly agentId?: string
}

function parseAgentId(text: string): string {
  const agentId = AGENT_ID.parse(text)
  if (agentId === undefined) throw new InvalidArgumentError(`--agent-id ${quote(text)} is not accepted. Accepted: ${AGENT_ID.accepted}.`)
  return agentId
}

export const addDoctor: AddCommand = (program, context, run) => {
  program
    .command('doctor')
    .description('check database, schema, queue, credentials, clock, late polls and problems, and say what to fix')
    .option(
      '--task <id>',
      'ask DingTalk for this task too, tracked or not, with one call that counts: do permission, agent id and task fit?',
    )
    .option('--app <name>', 'the app of the task, where there are several')
    .option('--agent-id <id>', 'the agent id to ask with, instead of that of the task or the app')
    .option('--json', 'print the findings as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  $ npx dingtalk-delivery doctor\n  $ npx dingtalk-delivery doctor --task 256271667526\n  $ npx dingtalk-delivery doctor --task 256271667526 --agent-id 836390886 --json\n\nExits with 1 if anything is wrong; ! marks what does not stop the work.',
    )
    .action(
      run(async ({ json, task, app, agentId: agentIdText }: DoctorOptions) => {
        if (task === undefined && app !== undefined) throw new InvalidArgumentError('Give --app with --task only.')
        if (task === undefined && agentIdText !== undefined) throw new InvalidArgumentError('Give --agent-id with --task only.')
        const agentId = agentIdText === undefined ? undefined : parseAgentId(agentIdText)
        const ref = task === undefined ? null : { taskId: parseTaskId(task), app: app === undefined ? undefined : parseApp(app) }
        const [{ diagnose }, { callBudgets, workerTiming }, { probeTask }, { calendarFinding, createCallClock }] = await Promise.all([
          import('../ops/doctor.ts'),
          import('../app/settings.ts'),
          import('../app/probe-task.ts'),
          import('../app/calendar.ts'),
        ])
        const config = await configWithEmbedded(context)
        const [found, probed] = await Promise.all([
          diagnose(config, workerTiming(config), callBudgets(config, createCallClock(config.schedule.calendar, config.timeScale)), ref),
          ref === null ? [] : probeTask(config, { ...ref, agentId }).then((finding) => [finding]),
        ])
        const { kind, calendar } = config.schedule
        // The other schedules are the same on every day.
        const ofCalendar = kind === 'learned' ? [calendarFinding(calendar)] : []
        const findings = [...found, ...ofCalendar, ...probed]
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
