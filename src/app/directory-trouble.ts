import type { Refusal } from '../domain/delivery.ts'
import { answerText, problemRemedy, problemText } from '../domain/messages.ts'
import { type ProblemCode, toProblem } from '../domain/problems.ts'
import { type ContactName, type Denied, type DirectoryFailure, OUT_OF_SCOPE } from '../polling/read-directory.ts'

/** Why people were not read to the end. */
export type DirectoryTrouble =
  | DirectoryFailure
  | {
      readonly kind: 'budget too small'
      readonly atLeast: number
      readonly left: number
      readonly budget: number
      readonly used: number
      readonly reserved: number
      readonly month: string
    }
  | { readonly kind: 'no people' }
  /** Something that the table cannot hold. */
  | { readonly kind: 'unfit'; readonly message: string }

interface About {
  readonly app: string
  readonly calls: number
  readonly rootId: string
}

/** What went wrong, what to do, and that nothing was stored. No user id and no name of a person is in it. */
export function describeTrouble(trouble: DirectoryTrouble, about: About): string {
  const calls = about.calls === 1 ? '1 call was made' : `${about.calls} calls were made`
  return `${describe(trouble, about)} Nothing was stored; ${calls}.`
}

function describe(trouble: DirectoryTrouble, about: About): string {
  switch (trouble.kind) {
    case 'refused':
      return describeRefusal(trouble, about)
    case 'not permitted':
      return describePermit(trouble.permit, about)
    case 'busy':
      return `The workers use the whole rate of app "${about.app}": no call was free within ${trouble.waitedMs / 1_000} s. ${BUSY_REMEDY}`
    case 'budget too small': {
      const { atLeast, left, budget, used, reserved, month } = trouble
      return `The people need at least ${atLeast} more calls, and MONTHLY_CALL_BUDGET (${budget} calls) leaves ${left} in ${month}: ${used} are used, ${reserved} are reserved for final polls. ${BUDGET_REMEDY}`
    }
    case 'no people':
      return `DingTalk lists no person below department ${about.rootId}. Check in the developer console that the app's scope of the address book (通讯录接口权限范围) has these departments.`
    case 'unfit':
      return trouble.message
    default:
      return trouble satisfies never
  }
}

const BUSY_REMEDY = 'Try again. If it lasts, raise MAX_CALLS_PER_SECOND as far as DingTalk allows.'
const BUDGET_REMEDY = 'Raise MONTHLY_CALL_BUDGET, read a part with --root, or wait for the next month.'

function describePermit(permit: Denied, { app }: About): string {
  switch (permit.kind) {
    case 'backlog':
      return `The workers use the whole rate of app "${app}". ${BUSY_REMEDY}`
    case 'paused': {
      const stored = { code: permit.problem.code, detail: { ...permit.problem.detail } }
      return `App "${app}" is paused until ${permit.until.toISOString()}. ${problemText(stored, 'en')} ${problemRemedy(stored, 'en')} "npx dingtalk-delivery resume --app ${app}" lifts the pause.`
    }
    case 'budget': {
      const { budget, used, reserved, month } = permit
      return `MONTHLY_CALL_BUDGET (${budget} calls) leaves no call in ${month}: ${used} are used, ${reserved} are reserved for final polls. ${BUDGET_REMEDY}`
    }
    default:
      return permit satisfies never
  }
}

/** Source: DingTalk's page of each address. */
const PERMISSIONS: Readonly<Record<ContactName, string>> = {
  listsub: 'qyapi_get_department_list (通讯录部门信息读权限)',
  get: 'qyapi_get_department_list (通讯录部门信息读权限)',
  listsimple: 'qyapi_get_department_member (通讯录部门成员读权限)',
}

const ADDRESSES: Readonly<Record<ContactName, string>> = {
  listsub: '/topapi/v2/department/listsub',
  get: '/topapi/v2/department/get',
  listsimple: '/topapi/user/listsimple',
}

/** "No such department." Source: DingTalk's page of `user/listid`. */
const NO_DEPARTMENT = '60003'

function describeRefusal({ answer, name, departmentId }: Extract<DirectoryFailure, { kind: 'refused' }>, { rootId }: About): string {
  const problem = toProblem(answer, null)
  const stored = { code: problem.code, detail: { ...problem.detail } }
  const said = ended(answerText(stored, 'en') ?? '')
  if (answer.code === NO_DEPARTMENT) {
    const remedy =
      departmentId === rootId
        ? 'Give --root the dept_id of a department of this organisation.'
        : 'It was deleted meanwhile: run the command again.'
    return `DingTalk has no department with the id ${departmentId}. ${said} ${remedy}`
  }
  if (OUT_OF_SCOPE.has(answer.code)) {
    return `The app may not read the department with the id ${departmentId}. ${said} Add it to the app's scope of the address book (通讯录接口权限范围) in the developer console, or begin below it with --root.`
  }
  if (problem.code === 'permission') {
    return `The app lacks the permission ${PERMISSIONS[name]}, which ${ADDRESSES[name]} needs. ${said} Grant it in the developer console under permission management (权限管理) and publish the app, then run the command again.`
  }
  return `${titleOf(problem.code, answer, stored, name)} ${said} ${remedyOf(problem.code, stored)}`
}

type StoredProblem = Parameters<typeof problemText>[0]

/** Some titles of problems are about getsendresult. */
function titleOf(code: ProblemCode, { code: said }: Refusal, stored: StoredProblem, name: ContactName): string {
  if (code === 'wrong_path') return `The configured address does not serve ${ADDRESSES[name]}.`
  const isOfATask = code === 'parameters' || code === 'agent_id' || code === 'call_timeout' || code === 'no_result'
  return isOfATask ? `DingTalk refused ${ADDRESSES[name]} with ${said}.` : problemText(stored, 'en')
}

const AGAIN = 'Run the command again.'

/** Where the remedy of a poll is another one: polls are repeated by themselves. */
const REMEDIES: Partial<Record<ProblemCode, string>> = {
  rate_limit: `Run the command again later. If it happens often, lower MAX_CALLS_PER_SECOND.`,
  outage: `Check that DingTalk's host can be reached from here: name server, firewall, HTTPS_PROXY. ${AGAIN}`,
  unknown_code: `Look up the code in DingTalk's documentation, or ask their support with the request id. ${AGAIN}`,
  parameters: AGAIN,
  agent_id: AGAIN,
  call_timeout: AGAIN,
  no_result: AGAIN,
  quota: 'Buy calls from DingTalk, or wait for the next month.',
  wrong_path: 'Check DINGTALK_OAPI_URL and DINGTALK_REGION.',
}

function remedyOf(code: ProblemCode, stored: StoredProblem): string {
  return REMEDIES[code] ?? problemRemedy(stored, 'en')
}

function ended(text: string): string {
  return text === '' || /[.!。]$/.test(text) ? text : `${text}.`
}
