/**
 * One value for each kind of secret, which nothing else looks like. Whatever the suite starts is given these, and wherever one of them
 * turns up it has leaked.
 */
export const CANARIES = {
  appKey: 'dingCANARYappkey7f3a91',
  appSecret: 'CANARY-app-secret-52c8e0',
  accessToken: 'CANARY-access-token-a90d14',
  suiteKey: 'suiteCANARYkey31be7c',
  suiteSecret: 'CANARY-suite-secret-8d02f6',
  suiteTicket: 'CANARY-suite-ticket-6b77a3',
  databasePassword: 'CANARY-database-password-19ec45',
  redisPassword: 'CANARY-redis-password-e4d83b',
  apiToken: 'CANARY-api-token-c25f90',
  proxyPassword: 'CANARY-proxy-password-3f81ad',
} as const

/** The shortest that is looked for: shorter ones are no secrets, and turn up by chance. */
const MIN_LENGTH = 8
/** Of what a process is given in its environment, what nobody must see. */
const SECRET_VARIABLES = /_(?:SECRET|TOKEN|KEY|PASSWORD)$/

/** A secret, and what to call it without showing it. */
type Secret = readonly [name: string, value: string]

/** The secrets in an environment, whatever they are: tokens, keys, and the passwords in addresses. */
export function secretsIn(env: Readonly<Record<string, string>>): Secret[] {
  return Object.entries(env).flatMap(([name, value]): Secret[] => {
    if (SECRET_VARIABLES.test(name)) return partsOf(value).map((part) => [name, part])
    const password = URL.canParse(value) ? decodeURIComponent(new URL(value).password) : ''
    return password === '' ? [] : [[`the password in ${name}`, password]]
  })
}

/** A list of tokens with roles has several secrets. */
function partsOf(value: string): string[] {
  if (!/^(read|write)(\+names)?:/.test(value)) return [value]
  return value.split(/[\s,]+/).flatMap((entry) => entry.split(':').slice(-1))
}

/**
 * What is in a text of the canaries and of other secrets, by name.
 * @param others secrets that only this test has
 */
export function leaksIn(text: string, others: readonly Secret[] = []): string[] {
  const found = [...Object.entries(CANARIES), ...others].filter(([, value]) => value.length >= MIN_LENGTH && holds(text, value))
  return [...new Set(found.map(([name]) => name))]
}

/** As it is, or as it travels in a URL or in a header. */
function holds(text: string, secret: string): boolean {
  return [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64').replace(/=+$/, '')].some((each) => text.includes(each))
}

/** Says where a secret came out, and never which one it was. */
export class LeakError extends Error {
  override readonly name = 'LeakError'
}

/** @throws {LeakError} */
export function assertNoLeak(where: string, text: string, others: readonly Secret[] = []): void {
  const leaks = leaksIn(text, others)
  if (leaks.length > 0) throw new LeakError(`a secret leaked: ${leaks.join(', ')} can be read in ${where}`)
}
