import type { Answer, Observation, Refusal } from '../../domain/delivery.ts'
import { answerText, problemRemedy, problemText } from '../../domain/messages.ts'
import { PROBLEM_RULES, type Problem, toProblem } from '../../domain/problems.ts'
import type { Finding } from '../../lib/finding.ts'
import type { Probe } from '../../polling/probe.ts'

/** What was asked of DingTalk, and what is known of it. */
export interface Probed {
  readonly taskId: string
  readonly app: string
  /** That the call was made with; null: there is none. */
  readonly agentId: string | null
  /** Of a task that is tracked. */
  readonly deadlineAt: Date | null
  readonly now: Date
}

/** Whether permission, agent id and task fit: one call that was made by hand. */
export function probeFinding(probed: Probed, result: Probe): Finding {
  const { name, place } = describeProbe(probed)
  if (result.kind === 'not permitted') return { name, ok: false, ...describePermit(result.permit, probed) }
  const count = result.isCounted ? '' : result.calls === 0 ? ' No call was made.' : ' The call is not counted in the rate and the budget.'
  const { answer } = result
  if (answer.kind === 'refused') return { name, ok: false, ...describeRefusal(answer, probed, count) }
  return { name, ok: true, detail: `${place}: permission, agent id and task fit. ${describeLists(answer)}${count}` }
}

/** No call was made, because something else went wrong. */
export function unprobed(probed: Pick<Probed, 'taskId'>, detail: string, remedy: string): Finding {
  return { name: describeName(probed), ok: false, detail: `No call was made: ${detail}`, remedy }
}

function describeName({ taskId }: Pick<Probed, 'taskId'>): string {
  return `call for task ${taskId}`
}

function describeProbe({ taskId, app, agentId }: Probed): { readonly name: string; readonly place: string } {
  return { name: describeName({ taskId }), place: `app "${app}"${agentId === null ? '' : ` with agent id ${agentId}`}` }
}

/** How many in which state, never who. */
function describeLists(answer: Exclude<Answer, Refusal>): string {
  if (answer.kind === 'empty') return 'DingTalk answered without lists: it may still be sending.'
  const { people }: Observation = answer.observation
  if (people.size === 0) return 'DingTalk lists no one yet: it may still be sending.'
  const states = ['read', 'unread', 'forbidden', 'failed', 'invalid'] as const
  const counts = states.map((state) => [state, [...people.values()].filter(({ kind }) => kind === state).length] as const)
  const listed = counts.filter(([, count]) => count > 0).map(([state, count]) => `${count} ${state}`)
  return `DingTalk lists ${people.size} ${people.size === 1 ? 'person' : 'people'}: ${listed.join(', ')}.`
}

function describeRefusal(answer: Refusal, probed: Probed, count: string): Pick<Finding, 'detail' | 'remedy'> {
  const problem = toProblem(answer, probed.agentId)
  const stored = { code: problem.code, detail: { ...problem.detail } }
  const said = answerText(stored, 'en') ?? ''
  return {
    detail: `${describeProbe(probed).place}: ${problemText(stored, 'en')} ${said}${/[.!]$/.test(said) ? '' : '.'}${count}`,
    remedy: [problemRemedy(stored, 'en'), describeExpiry(problem, probed)].join(' ').trimEnd(),
  }
}

/** What DingTalk answers for a task after its 24 hours is not documented: it may be any code that is about the task. */
function describeExpiry({ code }: Problem, { deadlineAt, now }: Probed): string {
  if (!['answer', 'task'].includes(PROBLEM_RULES[code].scope) || code === 'no_agent_id') return ''
  if (deadlineAt === null) return 'A task whose message was sent more than 24 hours ago is refused too: DingTalk no longer answers for it.'
  const at = deadlineAt.toISOString()
  return deadlineAt <= now ? `The 24 hours of this task ended at ${at}: DingTalk no longer answers for it.` : `Its 24 hours end at ${at}.`
}

function describePermit(
  permit: Extract<Probe, { kind: 'not permitted' }>['permit'],
  { app }: Probed,
): Pick<Finding, 'detail' | 'remedy'> & { readonly remedy: string } {
  switch (permit.kind) {
    case 'backlog':
      return { detail: 'No call was made: the workers use the whole rate of the app.', remedy: BUSY_REMEDY }
    case 'paused': {
      const stored = { code: permit.problem.code, detail: { ...permit.problem.detail } }
      return {
        detail: `No call was made: app "${app}" is paused until ${permit.until.toISOString()}. ${problemText(stored, 'en')}`,
        remedy: `${problemRemedy(stored, 'en')} "npx dingtalk-delivery resume --app ${app}" lifts the pause.`,
      }
    }
    case 'budget': {
      const { budget, used, reserved, month } = permit
      return {
        detail: `No call was made: MONTHLY_CALL_BUDGET (${budget} calls) leaves none in ${month}: ${used} are used, ${reserved} are reserved for final polls.`,
        remedy: 'Raise MONTHLY_CALL_BUDGET, or wait for the next month.',
      }
    }
    default:
      return permit satisfies never
  }
}

export const BUSY_REMEDY = 'Try again. If it lasts, raise MAX_CALLS_PER_SECOND as far as DingTalk allows.'
