import type { Environment } from './variables.ts'

/** Every variable of the program. */
export const VARIABLES = [
  'DATABASE_URL',
  'QUEUE_URL',
  'QUEUE_NAME',
  'QUEUE_PREFIX',
  'DINGTALK_REGION',
  'DINGTALK_OAPI_URL',
  'DINGTALK_API_URL',
  'DINGTALK_PRIVATE_HOSTS',
  'DINGTALK_APP_KEY',
  'DINGTALK_APP_SECRET',
  'DINGTALK_AGENT_ID',
  'DINGTALK_ACCESS_TOKEN',
  'DINGTALK_APPS_FILE',
  'MAX_CALLS_PER_SECOND',
  'MONTHLY_CALL_BUDGET',
  'POLLS_PER_TASK',
  'WORKER_CONCURRENCY',
  'PORT',
  'HEALTH_PORT',
  'HOST',
  'API_TOKEN',
  'ALLOWED_HOSTS',
  'LOG_LEVEL',
  'LOG_PRETTY',
  'SHUTDOWN_GRACE_SECONDS',
  'TIME_SCALE',
  'RETAIN_DETAILS_DAYS',
  'RETAIN_TOTALS_DAYS',
] as const

/** Shorter names (`PORT`, `HOST`) are near to too many variables of other programs. */
const MIN_LENGTH = 8
/** Letters to change, add or leave out, apart from `_`. */
const MAX_DISTANCE = 2

/**
 * Variables that look like misspelt ones of ours, each with what was probably meant.
 * They are hints and no faults: a machine's environment is full of other programs' variables.
 */
export function findTypos(env: Environment): string[] {
  const known = new Set<string>(VARIABLES)
  return Object.keys(env)
    .filter((name) => !known.has(name) && (env[name] ?? '') !== '')
    .flatMap((name) => {
      const meant = VARIABLES.find((variable) => variable.length >= MIN_LENGTH && env[variable] === undefined && isNear(name, variable))
      return meant === undefined ? [] : [`${name} is not known and has no effect: did you mean ${meant}?`]
    })
    .sort()
}

function isNear(a: string, b: string): boolean {
  const [left, right] = [plain(a), plain(b)]
  // The beginning must agree, else API_TOKEN would be near to every SPI_TOKEN.
  return left[0] === right[0] && Math.abs(left.length - right.length) <= MAX_DISTANCE && distance(left, right) <= MAX_DISTANCE
}

function plain(name: string): string {
  return name.toUpperCase().replaceAll('_', '')
}

/** Levenshtein's distance, one row at a time. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1]
    for (const [j, other] of [...b].entries()) {
      next.push(Math.min((next[j] ?? 0) + 1, (row[j + 1] ?? 0) + 1, (row[j] ?? 0) + (letter === other ? 0 : 1)))
    }
    row = next
  }
  return row[b.length] ?? 0
}
