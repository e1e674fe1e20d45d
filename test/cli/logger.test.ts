import { expect, test } from 'vitest'
import { createLogger, type Logger } from '../../src/ops/logger.ts'

const SECRET = 'hUnTeR2-hUnTeR2'

const LEAKS: ReadonlyArray<readonly [name: string, write: (log: Logger) => void]> = [
  ['a token field', (log) => log.info({ token: SECRET }, 'x')],
  ['a nested secret', (log) => log.info({ app: { credentials: { inner: { appSecret: SECRET } } } }, 'x')],
  ['a secret in a list', (log) => log.info({ apps: [{ accessToken: SECRET }, { access_token: SECRET }] }, 'x')],
  ['a secret with a quote in it', (log) => log.info({ password: `a"${SECRET}` }, 'x')],
  ['an authorization header', (log) => log.info({ headers: { Authorization: `Bearer ${SECRET}` } }, 'x')],
  ['a bearer token in a message', (log) => log.info(`sent Bearer ${SECRET}`)],
  ['a URL with a query', (log) => log.info({ url: `https://oapi.dingtalk.io/gettoken?appkey=a&appsecret=${SECRET}` }, 'x')],
  ['a URL with a query in a message', (log) => log.info(`GET https://oapi.dingtalk.io/x?access_token=${SECRET}`)],
  ['a connection string in an error', (log) => log.error({ err: new Error(`no route to postgres://user:${SECRET}@db:5432/x`) }, 'x')],
  ['an error whose cause holds a password with an @ and a slash', (log) => log.error(causedBy(`redis://u:p@/${SECRET}@host:1`), 'x')],
  ['a field of an error', (log) => log.error({ err: Object.assign(new Error('x'), { config: { password: SECRET } }) }, 'x')],
  ['a form body', (log) => log.info({ body: `access_token=${SECRET}&task_id=1` }, 'x')],
  ['JSON inside a message', (log) => log.info(`answer ${JSON.stringify({ accessToken: SECRET, expireIn: 7200 })}`)],
  ['a child logger', (log) => log.child({ suiteTicket: SECRET }).info('x')],
  ['a list of people', (log) => log.info({ userIds: ['ann', SECRET] }, 'x')],
]

test.each(LEAKS)('%s does not reach the log', (_, write) => {
  const { lines, log } = capture()
  write(log)
  expect(lines).toHaveLength(1)
  expect(lines[0]).not.toContain(SECRET)
  expect(() => void JSON.parse(lines[0] ?? '')).not.toThrow()
})

test('an event is one line of JSON with its level, time and fields', () => {
  const { lines, log } = capture()
  log.info({ taskId: '9007199254740993123', changed: 3, tokens: 2 }, 'poll stored')
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    level: 'info',
    msg: 'poll stored',
    taskId: '9007199254740993123',
    changed: 3,
    tokens: 2,
  })
  expect(lines[0]).toMatch(/"time":"\d{4}-\d\d-\d\dT[\d:.]+Z"/)
})

test('an error keeps its code, its stack and its causes', () => {
  const { lines, log } = capture()
  log.error({ err: Object.assign(new Error('outer', { cause: new Error('inner') }), { code: 'E_X' }) }, 'failed')
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ err: { type: 'Error', code: 'E_X', message: 'outer', cause: { message: 'inner' } } })
})

test('pretty lines are scrubbed too', () => {
  const { lines, log } = capture(true)
  log.info({ token: SECRET, campaign: 'payroll' }, 'x')
  expect(lines.join('')).toContain('payroll')
  expect(lines.join('')).not.toContain(SECRET)
})

function capture(pretty = false): { lines: string[]; log: Logger } {
  const lines: string[] = []
  return { lines, log: createLogger({ level: 'info', pretty, destination: { write: (line) => void lines.push(line) } }) }
}

function causedBy(message: string): { err: Error } {
  return { err: new Error('x', { cause: new Error(message) }) }
}
