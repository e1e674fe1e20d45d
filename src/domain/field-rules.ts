import { MINUTE_MS } from './delivery.ts'

/** The rules for the fields of a request to track. Its check (`intake/track-request.ts`) and its schema (`intake/track-schema.ts`) use them. */

export const TRACK_FIELDS = ['taskId', 'agentId', 'app', 'userIds', 'campaign', 'sentAt'] as const

/** A task id is a Java `Long`. */
export const MAX_LONG = 9_223_372_036_854_775_807n
/** In UTF-16 code units, as JavaScript, Java and DingTalk count. */
export const MAX_USER_ID = 128
export const MAX_CAMPAIGN = 200
/** Epoch milliseconds. Older sends are mistakes: a time in seconds is a date in 1970. */
export const EARLIEST_SEND = Date.UTC(2015, 0, 1)
/** Clocks differ: a send this far in the future is taken as "now". One that is further is a mistake. */
export const FUTURE_TOLERANCE_MS = 15 * MINUTE_MS
/** Synchronised clocks differ by less. A send further ahead of the receiver's clock was stamped by a wrong clock, so its time is only assumed. */
export const CLOCK_SKEW_MS = 2_000
/** Two requests for one task agree when their send times differ by no more than this. */
export const SAME_SEND_MS = 15 * MINUTE_MS

/** Regular expressions as text, for JSON Schema and for `new RegExp(…, 'u')` alike. */
export const APP_PATTERN = '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'

/** Text on one line without spaces around it. PostgreSQL cannot hold NUL, and half a surrogate pair is no character; other control characters are mistakes. */
export const LABEL_PATTERN = String.raw`^(?!\s)[^\p{Cc}\p{Cs}]+(?<!\s)$`

const LABEL = new RegExp(LABEL_PATTERN, 'u')

/** @param longest UTF-16 code units */
export function isLabel(text: string, longest: number): boolean {
  return text.length <= longest && LABEL.test(text)
}

/** Of a person. As the CHECKs of `delivery_person`, but in UTF-16 code units, which are never fewer than PostgreSQL's characters. */
export const MAX_NAME = 200
/** The whole path of a department. */
export const MAX_DEPARTMENT = 500
/** Of one person. */
export const MAX_DEPARTMENTS = 50

/** Names of departments, highest first, each a label without "/". */
export const DEPARTMENT_PATTERN = String.raw`^(?!\s)[^\p{Cc}\p{Cs}/]+(?<!\s)(?:/(?!\s)[^\p{Cc}\p{Cs}/]+(?<!\s))*$`

const DEPARTMENT = new RegExp(DEPARTMENT_PATTERN, 'u')

export function isDepartment(path: string): boolean {
  return path.length <= MAX_DEPARTMENT && DEPARTMENT.test(path)
}

/** Joins ids in lists. DingTalk joins them by the ASCII comma, so no id holds one; keyboards for Chinese have the others. */
const COMMA = String.raw`[,\u060c\u3001\ufe50\uff0c\uff64]`
/** Letters and digits, and every character beyond ASCII. */
const WORD = String.raw`[^\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u009f]`
const JOINED = String.raw`${COMMA}|${WORD} *[;|\uff1b\uff5c] *${WORD}`
const QUOTE = String.raw`["\u00ab\u00bb\u201c-\u201f\u300c-\u300f\uff02]`
const APOSTROPHE = String.raw`['\u0060\u2018\u2019\uff07]`
/** From the first character to the last. The last of them is what our CSV files put before a text that a spreadsheet would take for a formula. */
const WRAPPED = String.raw`${APOSTROPHE}[^\n]*${APOSTROPHE}$|\[[^\n]*\]$|\{[^\n]*\}$|'[=+@\uff0b\uff0d\uff1d\uff20-]`
/** Invisible, from copied text: soft hyphen, zero-width space, direction marks. Joiners are letters of some scripts, so they may stay. */
const INVISIBLE = String.raw`[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]`

/**
 * What a text that is no user id probably is, in the order in which it is tried. DingTalk's own ids are letters, digits, "_", "-", "@" and ".", but
 * an organisation may choose others, so every other line of text is accepted. The SQL function `delivery_check_request` has the same patterns:
 * they are written so that PostgreSQL and JavaScript read them alike.
 */
export const USER_ID_FAULTS = {
  several: String.raw`${JOINED}|[^\t\r\n][\t\r\n]+[^\t\r\n]`,
  quoted: `^${QUOTE}|${QUOTE}$|^(?:${WRAPPED})`,
  invisible: INVISIBLE,
} as const

/** A label with none of the {@link USER_ID_FAULTS}. One rule for what is accepted, and for what an answer of DingTalk is read for. */
export const USER_ID_PATTERN = String.raw`^(?!\s)(?![^\n]*(?:${JOINED}|${INVISIBLE}|${QUOTE}$))(?!${QUOTE}|${WRAPPED})[^\p{Cc}\p{Cs}]+(?<!\s)$`

const USER_ID = new RegExp(USER_ID_PATTERN, 'u')

/** The form of nearly all ids. It is tried first, since it takes a twentieth of the time, and ten thousand tasks have a million ids. */
const PLAIN_ID = new RegExp(`^[A-Za-z0-9_.@-]{1,${MAX_USER_ID}}$`)

/** Most user ids. Such text is the same in JSON, in lists and without the spaces around it. */
export function isPlainId(text: string): boolean {
  return PLAIN_ID.test(text)
}

export function isUserId(text: string): boolean {
  if (isPlainId(text)) return true
  return text.length <= MAX_USER_ID && USER_ID.test(text)
}

/** Digits without leading zeros, from 1 to {@link MAX_LONG}: one task must not have two ids. */
export const ID_PATTERN = `^(?:${upTo(String(MAX_LONG))})$`

const LEAP_YEAR = '(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)'
const DAY = `(?:\\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8]))|${LEAP_YEAR}-02-29)`
const CLOCK = '(?:[01]\\d|2[0-3]):[0-5]\\d(?::[0-5]\\d(?:\\.\\d{1,9})?)?'
const ZONE = '(?:[Zz]|[+\\-](?:[01]\\d|2[0-3]):?[0-5]\\d)'

/** ISO 8601, a day of the calendar. A time zone is required: a local time could be wrong by hours, and the mistake would not show. */
export const TIME_PATTERN = `^${DAY}[Tt ]${CLOCK}${ZONE}$`

/** A pattern for the whole numbers from 1 to `max`, both in decimal digits. */
function upTo(max: string): string {
  const sameLength = [...max].flatMap((digit, i) => {
    const lowest = i === 0 ? 1 : 0
    return Number(digit) > lowest ? [`${max.slice(0, i)}[${lowest}-${Number(digit) - 1}]\\d{${max.length - 1 - i}}`] : []
  })
  return [`[1-9]\\d{0,${max.length - 2}}`, ...sameLength, max].join('|')
}
