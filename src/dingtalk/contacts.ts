import type { Refusal } from '../domain/delivery.ts'
import type { Department, Member } from '../domain/directory.ts'
import { isUserId } from '../domain/field-rules.ts'
import type { ContactCall, ContactResult, ContactsApi } from '../polling/ports.ts'
import { buildRefusal, toAnswer, toFields, toText } from './answers.ts'
import type { DingTalkApp } from './app.ts'
import { type Caller, callWithToken, createCaller, withRegion } from './caller.ts'
import { createHttp } from './http.ts'
import { buildSettings, type ContactEndpoint, type DingTalkApiOptions } from './options.ts'

/** DingTalk's own limit. Source: its page of `user/listsimple`. */
const PAGE_SIZE = 100

/** Own code: DingTalk answered without an error, and not in the form of its documentation. */
const UNEXPECTED_CODE = 'UNEXPECTED_ANSWER'

/** `listsimple` and not `list`: the same permission and the same pages, and its answers have user ids and names only, no telephone numbers. */
const PATHS = {
  'department/listsub': '/topapi/v2/department/listsub',
  'department/get': '/topapi/v2/department/get',
  'user/listsimple': '/topapi/user/listsimple',
} as const satisfies Record<ContactEndpoint, string>

/**
 * DingTalk's contact API for one app. Its calls take the same way as polls: token, proxy, limits, redaction. Makes no call by itself.
 * @throws {Error} for a base URL of the app that `checkBaseUrl` refuses
 */
export function createContactsApi(app: DingTalkApp, options: DingTalkApiOptions = {}): ContactsApi & { close(): Promise<void> } {
  const settings = buildSettings(options)
  const http = createHttp(settings.http, settings)
  const closing = new AbortController()
  const caller = createCaller(app.name, app, http, closing.signal, settings)
  return {
    listsub: (departmentId, call) =>
      ask(caller, { endpoint: 'department/listsub', fields: { dept_id: departmentId }, read: readDepartments }, call),
    get: (departmentId, call) => ask(caller, { endpoint: 'department/get', fields: { dept_id: departmentId }, read: readDepartment }, call),
    listsimple(departmentId, cursor, call) {
      const fields = { dept_id: departmentId, cursor: String(cursor), size: String(PAGE_SIZE) }
      return ask(caller, { endpoint: 'user/listsimple', fields, read: (result) => readMembers(result, cursor) }, call)
    },
    async close() {
      closing.abort()
      await http.close()
    },
  }
}

interface Question<Value> {
  readonly endpoint: ContactEndpoint
  readonly fields: Readonly<Record<string, string>>
  /** Null: it is not what the documentation says. */
  readonly read: (result: unknown) => Value | null
}

async function ask<Value>(caller: Caller, question: Question<Value>, { signal, mayRepeat }: ContactCall): Promise<ContactResult<Value>> {
  signal.throwIfAborted()
  const call = ({ token }: { readonly token: string }) => callOnce(caller, question, token, signal)
  const { answer, calls } = await callWithToken(caller, call, mayRepeat, signal)
  return { answer: answer.kind === 'refused' ? withRegion(caller, answer) : answer, calls }
}

async function callOnce<Value>(
  { app, http, redactor, settings }: Caller,
  { endpoint, fields, read }: Question<Value>,
  token: string,
  signal: AbortSignal,
): Promise<ContactResult<Value>['answer']> {
  const startedMs = settings.monotonicMs()
  const requestedAt = settings.now()
  const outcome = await http.exchange(
    {
      method: 'POST',
      url: `${app.oapiUrl}${PATHS[endpoint]}`,
      // As at getsendresult: the token is not in the URL.
      contentType: 'application/x-www-form-urlencoded;charset=utf-8',
      body: new URLSearchParams({ access_token: token, ...fields }).toString(),
    },
    signal,
  )
  const respondedAt = settings.now()
  // The errors of all addresses of oapi are alike. What is no error there is read here.
  const known = toAnswer(outcome, requestedAt, respondedAt, redactor)
  const answer =
    known.kind === 'refused' ? known : readResult(outcome.kind === 'json' ? outcome.body : null, read, { requestedAt, respondedAt })
  const seconds = (settings.monotonicMs() - startedMs) / 1_000
  settings.onCall({ app: app.name, endpoint, code: answer.kind === 'refused' ? answer.code : '0', seconds })
  return answer
}

function readResult<Value>(
  body: unknown,
  read: Question<Value>['read'],
  exchange: Pick<Refusal, 'requestedAt' | 'respondedAt'>,
): ContactResult<Value>['answer'] {
  const fields = toFields(body) ?? {}
  const value = read(fields['result'])
  if (value !== null) return { kind: 'answered', value }
  const message = 'the answer is not in the form that DingTalk documents'
  return buildRefusal({ code: UNEXPECTED_CODE, message, requestId: toText(fields['request_id']), ...exchange })
}

/** A missing list is an empty one, as everywhere at oapi. */
function readList<Value>(list: unknown, read: (item: unknown) => Value | null): Value[] | null {
  if (list === undefined || list === null) return []
  if (!Array.isArray(list)) return null
  const values: Value[] = []
  for (const item of list) {
    const value = read(item)
    if (value === null) return null
    values.push(value)
  }
  return values
}

function readDepartments(result: unknown): Department[] | null {
  return readList(result, readDepartment)
}

function readDepartment(item: unknown): Department | null {
  const fields = toFields(item)
  const id = readId(fields?.['dept_id'])
  if (fields === null || id === null) return null
  return { id, name: toText(fields['name']) ?? '', parentId: readId(fields['parent_id']) }
}

/** A number beyond 2^53 has lost digits: it may be another department's. */
function readId(value: unknown): string | null {
  const id = typeof value === 'number' && !Number.isSafeInteger(value) ? null : toText(value)
  return id !== null && /^[1-9]\d{0,18}$/.test(id) ? id : null
}

/** A page that leads nowhere would be asked for again and again, at a call each. */
function readMembers(result: unknown, cursor: number): { members: Member[]; next: number | null } | null {
  const fields = toFields(result)
  const members = fields === null ? null : readList(fields['list'], readMember)
  if (fields === null || members === null) return null
  if (toText(fields['has_more']) !== 'true' && fields['has_more'] !== true) return { members, next: null }
  const next = Number(toText(fields['next_cursor']) ?? Number.NaN)
  return Number.isSafeInteger(next) && next > cursor ? { members, next } : null
}

function readMember(item: unknown): Member | null {
  const fields = toFields(item)
  const userId = fields?.['userid']
  // A number would have lost its leading zeros.
  return fields !== null && typeof userId === 'string' && isUserId(userId) ? { userId, name: toText(fields['name']) ?? '' } : null
}
