import type { CallWarning } from '../../../domain/schedule/call-forecast.ts'
import { type Html, html } from '../components/html.ts'

/** Texts of what the month's calls are enough for. */

/** @param app null: the only one */
type Title = (app: string | null, tasks: string) => string

const alertsEn: Readonly<Record<CallWarning, Title>> = {
  tasks_refused: (app, tasks) => `${app === null ? '' : `App ${app}: `}Open tasks without a call for their final poll: ${tasks}`,
  none_left: (app) => `${app === null ? '' : `App ${app}: `}No call is left for another task`,
  tasks_beyond: (app) => `${app === null ? '' : `App ${app}: `}The calls are too few for the tasks to come`,
  used_up_early: (app) => `${app === null ? '' : `App ${app}: `}The calls will be used up before the month ends`,
}

const remedyEn = 'Raise MONTHLY_CALL_BUDGET, or lower CALLS_USED_ELSEWHERE where other programs need less, and restart the workers.'

export const callsEn = {
  alert: alertsEn,
  remedy: {
    tasks_refused: `${remedyEn} Then “Poll now” plans the refused tasks again; later their 24 hours may be over.`,
    none_left: `${remedyEn} Until then a new task is only polled if a call is left over.`,
    tasks_beyond: `${remedyEn} Or send fewer tasks: up to 100 recipients fit into one.`,
    used_up_early: `${remedyEn} Or plan fewer polls for each task (POLLS_PER_TASK, TARGET_WIDTH).`,
  } satisfies Readonly<Record<CallWarning, string>>,
  last: 'At the rate of the last 7 days the calls last until the month ends.',
  lastUntil: (time: Html): Html => html`At the rate of the last 7 days the calls last until ${time}.`,
  tasks: (admittable: string, expected: string): string =>
    `Enough for ${admittable} more tasks this month; ${expected} are to be expected.`,
  refused: (tasks: string): string => `Open tasks without a call for their final poll: ${tasks}.`,
}

type CallTexts = typeof callsEn

const remedyZh = '请调高 MONTHLY_CALL_BUDGET；如果其他程序用得更少，可调低 CALLS_USED_ELSEWHERE。然后重启 worker。'

export const callsZh: CallTexts = {
  alert: {
    tasks_refused: (app, tasks) => `${app === null ? '' : `应用 ${app}：`}${tasks} 个进行中的任务没有可用于最后一次查询的调用`,
    none_left: (app) => `${app === null ? '' : `应用 ${app}：`}已没有调用可供新任务使用`,
    tasks_beyond: (app) => `${app === null ? '' : `应用 ${app}：`}剩余调用不够后续任务使用`,
    used_up_early: (app) => `${app === null ? '' : `应用 ${app}：`}调用次数将在月底前用完`,
  },
  remedy: {
    tasks_refused: `${remedyZh}之后点“立即查询”会重新安排这些任务；太晚则可能已过 24 小时。`,
    none_left: `${remedyZh}在此之前，新任务只有在还有剩余调用时才会查询。`,
    tasks_beyond: `${remedyZh}也可以减少任务数：一个任务最多可包含 100 人。`,
    used_up_early: `${remedyZh}也可以减少每个任务的查询次数（POLLS_PER_TASK、TARGET_WIDTH）。`,
  },
  last: '按最近 7 天的速度，调用够用到月底。',
  lastUntil: (time: Html): Html => html`按最近 7 天的速度，调用将在 ${time} 用完。`,
  tasks: (admittable: string, expected: string): string => `本月还够 ${admittable} 个任务使用，预计还有 ${expected} 个。`,
  refused: (tasks: string): string => `${tasks} 个进行中的任务没有可用于最后一次查询的调用。`,
}
