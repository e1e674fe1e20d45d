import type { Answer } from './answer.ts'
import type { Fault } from './fault.ts'
import type { SendResult } from './task.ts'

type Lists = Readonly<Record<string, unknown>>

/** A good getsendresult answer bent as the fault says; every other answer passes unchanged. */
export function distort(answer: Answer, fault: Fault | undefined): Answer {
  const result = answer.fields['send_result']
  if (fault === undefined || !isSendResult(result)) return answer
  switch (fault.kind) {
    case 'empty':
      return withResult(answer, { null: null, object: {}, missing: undefined }[fault.sendResult])
    case 'wrong-types':
      return wrongTypes(answer, result, fault.as)
    case 'read-then-unread':
      return withResult(answer, {
        ...result,
        read_user_id_list: [],
        unread_user_id_list: [...result.unread_user_id_list, ...result.read_user_id_list],
      })
    case 'unlisted':
      return withResult(
        answer,
        mapIds(result, (ids) => ids.slice(Math.ceil(ids.length * fault.share))),
      )
    case 'two-lists':
      return withResult(answer, { ...result, unread_user_id_list: [...result.unread_user_id_list, ...result.read_user_id_list] })
    default:
      return answer
  }
}

function wrongTypes(answer: Answer, result: SendResult, as: Extract<Fault, { kind: 'wrong-types' }>['as']): Answer {
  switch (as) {
    case 'comma-joined':
      return withResult(
        answer,
        mapIds(result, (ids) => ids.join(',')),
      )
    case 'null-lists':
      return withResult(
        answer,
        mapLists(result, (list) => (list.length === 0 ? null : list)),
      )
    case 'errcode-text':
      return { ...answer, fields: { ...answer.fields, errcode: '0' } }
    case 'code-number':
      return withResult(answer, {
        ...result,
        forbidden_list: result.forbidden_list.map((entry) => ({ ...entry, code: Number(entry.code) })),
      })
    case 'result-text':
      return withResult(answer, JSON.stringify(result))
    default:
      return as satisfies never
  }
}

function withResult(answer: Answer, sendResult: unknown): Answer {
  return { ...answer, fields: { ...answer.fields, send_result: sendResult } }
}

function mapIds(result: SendResult, change: (ids: unknown[]) => unknown): Lists {
  return Object.fromEntries(listsOf(result).map(([name, list]) => [name, name.endsWith('_user_id_list') ? change(list) : list]))
}

function mapLists(result: SendResult, change: (list: unknown[]) => unknown): Lists {
  return Object.fromEntries(listsOf(result).map(([name, list]) => [name, change(list)]))
}

function listsOf(result: SendResult): [string, unknown[]][] {
  return Object.entries<unknown[]>({ ...result })
}

function isSendResult(value: unknown): value is SendResult {
  return typeof value === 'object' && value !== null && 'read_user_id_list' in value
}
