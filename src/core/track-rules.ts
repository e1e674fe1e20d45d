import { MINUTE_MS } from './delivery.ts'

/** What a request to track may hold: the check at the doors (`track-request.ts`) and its schema (`track-schema.ts`) are both made of these. */

export const TRACK_FIELDS = ['taskId', 'agentId', 'app', 'userIds', 'campaign', 'sentAt'] as const

/** A task id is a Java `Long`. */
export const MAX_LONG = 9_223_372_036_854_775_807n
/** In UTF-16 code units, as JavaScript, Java and DingTalk count. */
export const MAX_USER_ID = 128
export const MAX_CAMPAIGN = 200
/** Epoch milliseconds. Nobody tracks older sends; who gives seconds lands in 1970. */
export const EARLIEST_SEND = Date.UTC(2015, 0, 1)
/** Clocks differ: a send this far in the future is taken as "now"; further is a mistake. */
export const FUTURE_TOLERANCE_MS = 15 * MINUTE_MS

/** Regular expressions as text, for JSON Schema and for `new RegExp(…, 'u')` alike. */
export const APP_PATTERN = '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'

/** Text on one line without spaces around it. PostgreSQL cannot hold NUL, and half a surrogate pair is no character; other control characters are mistakes. */
export const LABEL_PATTERN = String.raw`^(?!\s)[^\p{Cc}\p{Cs}]+(?<!\s)$`

/** Digits without leading zeros, from 1 to {@link MAX_LONG}: one task must not have two names. */
export const ID_PATTERN = `^(?:${upTo(String(MAX_LONG))})$`

const LEAP_YEAR = '(?:\\d\\d(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)'
const DAY = `(?:\\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|02-(?:0[1-9]|1\\d|2[0-8]))|${LEAP_YEAR}-02-29)`
const CLOCK = '(?:[01]\\d|2[0-3]):[0-5]\\d(?::[0-5]\\d(?:\\.\\d{1,9})?)?'
const ZONE = '(?:[Zz]|[+\\-](?:[01]\\d|2[0-3]):?[0-5]\\d)'

/** ISO 8601, a day of the calendar. A time zone is required: a local time would be off by hours without anybody noticing. */
export const TIME_PATTERN = `^${DAY}[Tt ]${CLOCK}${ZONE}$`

/** A pattern for the whole numbers from 1 to `max`, both in decimal digits. */
function upTo(max: string): string {
  const sameLength = [...max].flatMap((digit, i) => {
    const lowest = i === 0 ? 1 : 0
    return Number(digit) > lowest ? [`${max.slice(0, i)}[${lowest}-${Number(digit) - 1}]\\d{${max.length - 1 - i}}`] : []
  })
  return [`[1-9]\\d{0,${max.length - 2}}`, ...sameLength, max].join('|')
}
