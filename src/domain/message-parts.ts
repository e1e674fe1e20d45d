import type { ProblemCode, Scope } from './problems.ts'
import type { DelayCode, DelayReason, EndCode, EndReason } from './reasons.ts'

export const LANGUAGES = ['en', 'zh'] as const
export type Language = (typeof LANGUAGES)[number]

/** A stored JSON object. */
export type Detail = Readonly<Record<string, unknown>>

/**
 * A code with its details as a row holds them. Besides the closed unions of this version it may come from 0.1.0, which stored the text
 * itself (`{ text }`), or from a newer version, whose codes are not known here.
 */
export interface Stored {
  readonly code: string
  /** Null: the code has none, or the row holds none. */
  readonly detail: Detail | null
}

/** A text with times in it, which each interface formats in its own way. */
export type Text = ReadonlyArray<string | Date>

type KeysOf<T> = T extends object ? keyof T & string : never
/** The names of all details. */
type Field = KeysOf<EndReason['detail']> | KeysOf<DelayReason['detail']>

/** Details that were read from a row. A missing or wrong one is null. */
export interface Fields {
  text(name: Field): string | null
  number(name: Field): number | null
  time(name: Field): Date | null
  /** Why polls did not succeed, as a sentence. */
  because(): Text | null
  /** The name of the problem in the detail `problem`, as a sentence. */
  problem(): Text | null
}

export type Message = (fields: Fields) => Text

export interface Messages {
  /** `title`: what is wrong, one sentence. `remedy`: what to do, where, and what happens then. */
  readonly problems: Readonly<Record<ProblemCode, { readonly title: Message; readonly remedy: Message }>>
  readonly ends: Readonly<Record<Exclude<EndCode, ProblemCode>, Message>>
  /** The end of a task whose polls were refused until its deadline. */
  readonly refused: (problem: Text) => Text
  readonly delays: Readonly<Record<DelayCode, Message>>
  /** Of an open task without a call for its final poll: what that means, and how it gets one. */
  readonly notAdmitted: string
  /** Continues "this concerns": a noun. */
  readonly scopes: Readonly<Record<Scope, string>>
  /** Before what DingTalk answered. */
  readonly answered: string
  /** Before what happened to the call, where DingTalk did not answer. */
  readonly happened: string
  /** A code of a newer version. */
  readonly unknown: (code: string) => string
  /** Between two sentences. */
  readonly gap: string
}

/** A template whose times stay times. What is null is left out. */
export function say(strings: TemplateStringsArray, ...values: ReadonlyArray<string | number | Date | Text | null>): Text {
  return strings.flatMap((text, i) => [...toParts(values[i - 1] ?? null), text]).filter((part) => part !== '')
}

function toParts(value: string | number | Date | Text | null): Text {
  if (value === null) return []
  return typeof value === 'number' ? [String(value)] : typeof value === 'string' || value instanceof Date ? [value] : value
}

/** Text around a value, or nothing where the value is missing. */
export function when<Value>(value: Value | null, text: (value: Value) => Text): Text {
  return value === null ? [] : text(value)
}

/** "requiredScopes=[qyapi_get_member]", "应用尚未开通所需的权限：[qyapi_base]": DingTalk names the permission in its message. */
const PERMISSION = /\b(?:qyapi_\w+|[A-Z]\w+(?:\.\w+)+(?:\.Read|\.Write|\.All)\b)/

/** The permission that the app lacks; `qyapi_base`, which every call needs, where the message names none. */
export function permissionIn(fields: Fields): string {
  return PERMISSION.exec(fields.text('message') ?? '')?.[0] ?? 'qyapi_base'
}

/** The tracker's own codes for a call without any answer. */
const UNANSWERED: ReadonlySet<string> = new Set(['TIMEOUT', 'NETWORK'])

export function isUnanswered(fields: Fields): boolean {
  return UNANSWERED.has(fields.text('said') ?? '')
}

/** Two values that are written together or not at all. */
export function both<Value>(one: Value | null, other: Value | null): readonly [Value, Value] | null {
  return one === null || other === null ? null : [one, other]
}
