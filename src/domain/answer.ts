import type { Answer, Forbidden, ListedState, Refusal } from './delivery.ts'
import { isLabel, isPlainId, isUserId, MAX_USER_ID } from './field-rules.ts'
import { joinForbidden } from './merge.ts'

/** When one exchange with DingTalk began and ended. */
export interface Exchange {
  readonly requestedAt: Date
  readonly respondedAt: Date
}

/** A JSON object with unchecked values. */
type Fields = Readonly<Record<string, unknown>>

/**
 * Parses the JSON of a getsendresult answer. Total: any value gives an answer, and it never throws.
 * Accepts the known variants of the gateway: missing lists, codes as text, lists as comma-joined text, unknown keys.
 */
export function parseAnswer(body: unknown, exchange: Exchange): Answer {
  const fields = toFields(body)
  if (fields === null) return refusal('NOT_JSON', 'the answer is not a JSON object', null, exchange)
  const requestId = readRequestId(fields)
  const code = effectiveCode(fields)
  if (code === null) return refusal('NO_CODE', 'the answer has no errcode: a gateway or ban page, not a result', requestId, exchange)
  if (code !== '0') return refusal(code, readMessage(fields), requestId, exchange)
  const result = toFields(fields['send_result'])
  if (result === null || Object.keys(result).length === 0) return { kind: 'empty', requestId, ...exchange }
  return { kind: 'observed', observation: { ...exchange, requestId, people: parsePeople(result) } }
}

/**
 * `sub_code`, else `subcode=` in `errmsg`, else `errcode`: gateway errors come wrapped in errcode 88.
 * 88 with sub code 40000 is a missing permission, not a bad parameter. An inner 0 inside an error is ignored: a success taken for a failure
 * costs a call, a failure taken for a success stores wrong data. Null when there is no code at all.
 */
export function effectiveCode(fields: Fields): string | null {
  const outer = toText(fields['errcode'])
  const inner = toText(fields['sub_code']) ?? /subcode=([^,\]\s]+)/i.exec(toText(fields['errmsg']) ?? '')?.[1] ?? null
  // errcode 0 is success whatever its message contains.
  if (outer === '0' || inner === null || inner === '0') return outer
  return outer === '88' && inner === '40000' ? '88/40000' : inner
}

function readRequestId(fields: Fields): string | null {
  const requestId = toText(fields['request_id'])
  return requestId === null ? null : storable(requestId, MAX_ID)
}

function readMessage(fields: Fields): string {
  const message = [toText(fields['errmsg']), toText(fields['sub_msg'])].filter((part) => part !== null)
  return message.join(' ')
}

const MAX_MESSAGE = 300
const MAX_ID = 64

function refusal(code: string, message: string, requestId: string | null, exchange: Exchange): Refusal {
  return { kind: 'refused', code: storable(code, MAX_ID), message: storable(message, MAX_MESSAGE), requestId, ...exchange }
}

/** Text that PostgreSQL can store: no NUL, no half of a surrogate pair. One such character would fail the write of many polls. */
function storable(text: string, maxLength: number): string {
  return text.slice(0, maxLength).replaceAll('\u0000', ' ').toWellFormed()
}

/** One state for each person. Later entries win, so the order below is the precedence read > unread > forbidden > failed > invalid. */
function parsePeople(result: Fields): Map<string, ListedState> {
  const people = new Map<string, ListedState>()
  const put = (list: unknown, state: ListedState): void => {
    for (const userId of parseUserIds(list)) people.set(userId, state)
  }
  put(result['invalid_user_id_list'], { kind: 'invalid' })
  put(result['failed_user_id_list'], { kind: 'failed' })
  put(result['forbidden_user_id_list'], { kind: 'forbidden', code: null, count: null })
  for (const [userId, reason] of parseForbidden(result['forbidden_list'])) {
    const before = people.get(userId)
    people.set(userId, before?.kind === 'forbidden' ? joinForbidden(before, reason) : reason)
  }
  put(result['unread_user_id_list'], { kind: 'unread' })
  put(result['read_user_id_list'], { kind: 'read' })
  return people
}

/** Old documents have lists as comma-joined text, some clients ids as numbers. User ids never contain a comma. */
function parseUserIds(list: unknown): string[] {
  const items: readonly unknown[] = typeof list === 'string' ? [list] : Array.isArray(list) ? list : []
  const userIds: string[] = []
  // A poll has a hundred of them, nearly all plain.
  for (const item of items) {
    if (typeof item === 'string' && isPlainId(item)) userIds.push(item)
    else userIds.push(...(typeof item === 'string' ? item.split(',') : [item]).flatMap((part) => parseUserId(part) ?? []))
  }
  return userIds
}

/** Null for text that a request to track may not use as a user id either. */
function parseUserId(item: unknown): string | null {
  const userId = toText(item)?.trim() ?? ''
  return isUserId(userId) ? userId : null
}

function parseLabel(item: unknown): string | null {
  const label = toText(item)?.trim() ?? ''
  return isLabel(label, MAX_USER_ID) ? label : null
}

function parseForbidden(list: unknown): Array<[string, Forbidden]> {
  if (!Array.isArray(list)) return []
  return list.flatMap((item: unknown): Array<[string, Forbidden]> => {
    const fields = toFields(item)
    const userId = fields === null ? null : parseUserId(fields['userid'])
    if (fields === null || userId === null) return []
    return [[userId, { kind: 'forbidden', code: parseLabel(fields['code']), count: parseCount(fields['count']) }]]
  })
}

/** A whole number in the range of PostgreSQL's `integer`. */
function parseCount(value: unknown): number | null {
  const count = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value
  return typeof count === 'number' && Number.isInteger(count) && count >= 0 && count < 2 ** 31 ? count : null
}

function toFields(value: unknown): Fields | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : null
}

/** Codes and ids come as text or as numbers. */
function toText(value: unknown): string | null {
  if (typeof value === 'string') return value === '' ? null : value
  return typeof value === 'number' || typeof value === 'bigint' ? String(value) : null
}
