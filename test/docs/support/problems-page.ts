import { endReasonText, problemRemedy, scopeText } from '../../../src/domain/messages.ts'
import { computeMaxCalls } from '../../../src/domain/poll-times.ts'
import {
  CODES_BY_PROBLEM,
  PROBLEM_CODES,
  PROBLEM_RULES,
  type ProblemCode,
  SCOPES,
  SLOW_PROBE_MINUTES,
} from '../../../src/domain/problems.ts'

/** The whole page docs/problems.md: its tables are made from the tables that the program uses. */
export function problemsPage(): string {
  return `${[INTRODUCTION, codesTable(), AFTER_CODES, scopesTable(), AFTER_SCOPES, endsTable(), CALLS].join('\n\n')}\n`
}

const INTRODUCTION = `# Problems: what a failed poll means

A failed poll concerns exactly one scope: its answer, the task, the app with one agent id, one worker, the app, or DingTalk. The tracker
stores it with the narrowest scope that its code supports. A wider scope is paused only where different tasks agree and no poll in it
succeeded in between; any success inside a scope lifts its pause.

No answer of DingTalk ends a task inside its 24 hours. A task ends when every recipient is accounted for, when it is cancelled, or at its deadline. Until
then a failed poll is a **problem** of a task that is still \`tracking\`: columns \`problem_code\`, \`problem_detail\`, \`problem_since\` of
\`delivery_task_rates\`, the same fields over HTTP, in \`show\`, in \`doctor\` and on the dashboard. The first successful poll clears it.

After a repair no further action is needed: a starting worker probes at once everything that its configuration may have repaired, and the next probe
finds all other repairs. To poll at once:

\`\`\`sh
npx dingtalk-delivery resume 256271667526      # one task
npx dingtalk-delivery resume --app default     # all tasks of an app; lifts its pauses, a used-up quota included
\`\`\`

## Codes

The effective code is \`sub_code\`, else \`subcode=\` in \`errmsg\`, else \`errcode\`. Codes in capitals are the tracker's own, for polls without an answer of
DingTalk: every code of that form that is not in the table is an \`outage\`.`

function codesTable(): string {
  const rows = PROBLEM_CODES.map((problem) => {
    const remedy = problemRemedy({ code: problem, detail: null }, 'en')
    return `| ${codesOf(problem)} | \`${problem}\` | ${PROBLEM_RULES[problem].scope} | ${consequenceOf(problem)} | ${remedy} |`
  })
  return ['| code | problem | scope | what happens | remedy |', '|---|---|---|---|---|', ...rows].join('\n')
}

/** Rules that the table of codes does not contain. */
const OTHER_CODES: Readonly<Partial<Record<ProblemCode, string>>> = {
  no_result: '0 without lists',
  unknown_code: 'any other code',
  call_timeout: 'any code whose whole message is "Call timeout" or 调用超时',
  agent_id: '40 that names `agent_id`',
  outage: '`isp.…`, HTTP 429 and 5xx, no answer, no JSON',
}

function codesOf(problem: ProblemCode): string {
  const codes = runsOf(CODES_BY_PROBLEM[problem])
  return [...codes, OTHER_CODES[problem]].filter((part) => part !== undefined).join(', ')
}

/** 90003, 90004, 90005 as 90003–90005. */
function runsOf(codes: ReadonlyArray<number | string>): string[] {
  const runs: string[] = []
  for (let i = 0; i < codes.length; ) {
    let end = i
    while (isNext(codes[end], codes[end + 1])) end++
    runs.push(end - i > 1 ? `${codes[i]}–${codes[end]}` : codes.slice(i, end + 1).join(', '))
    i = end + 1
  }
  return runs
}

function isNext(code: number | string | undefined, next: number | string | undefined): boolean {
  return typeof code === 'number' && next === code + 1
}

function consequenceOf(problem: ProblemCode): string {
  const { scope, agreement, quickRetries, isCounted } = PROBLEM_RULES[problem]
  if (problem === 'no_agent_id') return 'no call is made; checked again with growing pauses'
  if (scope === 'worker') return 'this worker leaves the app to other workers, and retries'
  const parts = [
    ...(quickRetries > 0 ? [`${quickRetries} quick retries`] : []),
    taskEffectOf(problem),
    ...(agreement === null ? [] : [pauseOf(problem, agreement)]),
    ...(isCounted ? [] : ['the call is given back']),
  ]
  return parts.join('; ')
}

function taskEffectOf(problem: ProblemCode): string {
  const { followUp, isCounted } = PROBLEM_RULES[problem]
  if (!isCounted) return 'it counts as no failure of the task'
  return followUp === 'planned' ? 'then the planned polls go on' : 'the task is probed with growing pauses'
}

const PAUSED_WHAT: Readonly<Partial<Record<(typeof SCOPES)[number], string>>> = {
  // A task that was not refused so is polled as planned: the others may be mistyped or too old.
  task: 'the tasks of the app and agent id that were refused so are',
  pair: 'app and agent id are',
}

function pauseOf(problem: ProblemCode, { polls, tasks }: { readonly polls: number; readonly tasks: number }): string {
  const { scope, probeMinutes, firstProbeMinutes } = PROBLEM_RULES[problem]
  const what = PAUSED_WHAT[scope] ?? 'the app is'
  const onlyAtFirst = scope === 'task' ? ' while no poll with this agent id ever succeeded' : ''
  const witnesses = polls === 1 ? 'at once' : `when ${polls} failed polls of ${tasks} tasks agree`
  const probes = scope === 'task' ? firstProbeMinutes : probeMinutes
  const before =
    scope !== 'task' && String(probes) !== String(firstProbeMinutes) ? ` (${spansOf(firstProbeMinutes)} where no poll ever succeeded)` : ''
  return `${what} paused ${witnesses}${onlyAtFirst}, one probe for all after ${spansOf(probes)}${before}`
}

function spansOf(minutes: readonly number[]): string {
  return minutes.map(spanOf).join(', ')
}

function spanOf(minutes: number): string {
  if (minutes < 1) return `${minutes * 60} s`
  return minutes < 60 ? `${minutes} min` : `${minutes / 60} h`
}

const AFTER_CODES = `The last interval of each list repeats. Where the message of a rate limit names its end, polls wait until then, at most ten minutes without a probe.

## Scopes`

function scopesTable(): string {
  const rows = SCOPES.map((scope) => `| \`${scope}\` | ${scopeText(scope, 'en')} | ${SCOPE_EFFECTS[scope]} |`)
  return ['| scope | what it is | what waits, and what refutes it |', '|---|---|---|', ...rows].join('\n')
}

const SCOPE_EFFECTS: Readonly<Record<(typeof SCOPES)[number], string>> = {
  answer: 'the task; its next successful poll',
  task: 'the task; its next successful poll',
  pair: 'all tasks of the app that are polled with this agent id; a success of any of them. A wrong agent id of one task affects no other',
  worker: 'the tasks go to other workers that poll the app; they wait only where there is none. A success of this worker, or its restart',
  app: 'all tasks of the app; a success of any of them',
  dingtalk: 'all tasks of the app; a success of any of them',
}

const AFTER_SCOPES = `A probe is made with a task that DingTalk answered before, where there is one. The first call of a final poll ignores every pause, since no later poll is possible;
it waits only for a rate limit that ends in time.

## Ends`

function endsTable(): string {
  const rows = ENDS.map(([status, code, detail]) => `| \`${status}\` | \`${code}\` | ${endReasonText({ code, detail }, 'en')} |`)
  return ['| status | `reason_code` | meaning |', '|---|---|---|', ...rows].join('\n')
}

const ENDS: ReadonlyArray<readonly [status: string, code: string, detail: null]> = [
  ['complete', 'all_read', null],
  ['complete', 'all_accounted_for', null],
  ['cancelled', 'cancelled', null],
  ['expired', 'window_over', null],
  ['expired', 'window_closed_early', null],
  ['expired', 'blind_before_deadline', null],
  ['expired', 'never_observed', null],
  ['expired', 'sent_too_long_ago', null],
  ['stopped', 'probably_too_many_recipients', null],
]

const CALLS = `\`stopped\` with a problem's code means that DingTalk refused every poll until the deadline; the code is the last refusal.

## Calls

A task costs at most \`POLLS_PER_TASK\` calls and a quarter of them again (three at least) for failed calls: ${computeMaxCalls(24)} of 24. Its final poll reserves three of
them. A task that never had a successful poll and that DingTalk refuses costs five: the first, three probes after ${spansOf(SLOW_PROBE_MINUTES)}, and the
final poll. With \`MONTHLY_CALL_BUDGET\` one call is reserved for each open task whose final poll falls in the month; retries are ordinary calls.
A call that was not made, or that DingTalk's own limits refused, is given back in the month in which it was reserved.`
