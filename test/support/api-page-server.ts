import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { CANARIES } from './canaries.ts'

/**
 * A second, independent stand-in for DingTalk, written from the API page alone: it shares no line with the product's simulator
 * or parser, so a mistake that those two have in common shows here.
 */
export interface ApiPageServer {
  readonly url: string
  /** A task that exists from now on. Times are real. */
  add(task: SentTask): void
  readonly tasks: ReadonlyMap<string, SentTask>
  /** Answers with lists, in the order in which they were given. */
  readonly goodAnswers: readonly GoodAnswer[]
  /** getsendresult calls by task id, the refused ones too. */
  readonly calls: ReadonlyMap<string, number>
  readonly tokenCalls: number
  /** When each getsendresult call arrived, epoch milliseconds, the refused ones too. */
  readonly arrivals: readonly number[]
  /** From now on only a token that is fetched anew is good. */
  revokeToken(): void
  /** Asked before each getsendresult answer; null: answer truly. */
  faults: (taskId: string, call: number) => Fault | null
  /** Awaited before each getsendresult answer is made, so that a test can act while a worker waits for it. */
  beforeAnswer: (taskId: string, call: number) => Promise<void>
  /** Awaited when an answer has been handed to the network. */
  afterAnswer: (taskId: string, call: number) => Promise<void>
  close(): Promise<void>
}

export interface SentTask {
  readonly taskId: string
  readonly agentId: string
  readonly sentAt: number
  readonly windowMs: number
  readonly people: readonly Person[]
  /** Instead of a result, always. */
  readonly refusal?: { readonly errcode: number; readonly errmsg: string }
  /** The server takes back reads that it has told before, now and then, as an eventually consistent one may. */
  readonly forgetful?: boolean
}

export interface Person {
  readonly userId: string
  /** The list that the person ends in when never reading. */
  readonly fate: 'delivered' | 'invalid' | 'failed' | 'forbidden'
  /** In no list before this time, epoch milliseconds. */
  readonly listedAt: number
  /** When the person reads, epoch milliseconds; null: never. */
  readonly readAt: number | null
}

export interface GoodAnswer {
  readonly taskId: string
  readonly at: number
  readonly read: readonly string[]
  readonly unread: readonly string[]
}

/** What getsendresult answers instead of a result. */
export type Fault =
  | 'http500'
  | 'html'
  | 'truncated'
  | 'reset'
  | 'throttle'
  | 'unknownCode'
  | 'empty'
  | 'badToken'
  | 'wrongType'
  | 'redirect'
  /** 100 MB. */
  | 'huge'
  /** 100 MB of zeros in 100 kB, which the caller had not asked to be compressed. */
  | 'gzipBomb'
  /** A byte now and then, for ever. */
  | 'drip'
  /** Nothing, ever. */
  | 'silence'
  | 'permission'
  | 'quota'

function tokenOf(no: number): string {
  return no === 1 ? CANARIES.accessToken : `${CANARIES.accessToken}${no}`
}

export async function startApiPageServer(): Promise<ApiPageServer> {
  const tasks = new Map<string, SentTask>()
  const calls = new Map<string, number>()
  const goodAnswers: GoodAnswer[] = []
  const arrivals: number[] = []
  const state = {
    tokenCalls: 0,
    tokenNo: 1,
    faults: (_taskId: string, _call: number): Fault | null => null,
    beforeAnswer: async (_taskId: string, _call: number): Promise<void> => {},
    afterAnswer: async (_taskId: string, _call: number): Promise<void> => {},
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request)
    const path = request.url?.split('?')[0]
    if (path === '/v1.0/oauth2/accessToken') {
      state.tokenCalls++
      return json(response, { accessToken: tokenOf(state.tokenNo), expireIn: 7200 })
    }
    if (path !== '/topapi/message/corpconversation/getsendresult' || request.method !== 'POST') {
      response.writeHead(404).end()
      return
    }
    const form = new URLSearchParams(body)
    const taskId = form.get('task_id') ?? ''
    const call = (calls.get(taskId) ?? 0) + 1
    calls.set(taskId, call)
    arrivals.push(Date.now())
    if (form.get('access_token') !== tokenOf(state.tokenNo))
      return json(response, { errcode: 88, errmsg: 'ding talk error[subcode=40014,submsg=不合法的access_token]' })
    const fault = state.faults(taskId, call)
    if (fault !== null) return MISBEHAVIOURS[fault](response, request)
    await state.beforeAnswer(taskId, call)
    const task = tasks.get(taskId)
    const now = Date.now()
    if (task === undefined || form.get('agent_id') !== task.agentId) return json(response, { errcode: 400002, errmsg: '无效的参数' })
    if (now > task.sentAt + task.windowMs) return json(response, { errcode: 400002, errmsg: 'task expired' })
    if (task.refusal !== undefined) return json(response, task.refusal)
    const lists = listsOf(task, now, task.forgetful === true && call % 3 === 0 ? lastReadOf(taskId) : [])
    goodAnswers.push({ taskId, at: now, read: lists.read_user_id_list, unread: lists.unread_user_id_list })
    json(response, { errcode: 0, errmsg: 'ok', send_result: lists, request_id: `r${taskId.slice(-4)}x${call}` })
    await state.afterAnswer(taskId, call)
  }

  const lastReadOf = (taskId: string): readonly string[] => goodAnswers.findLast((answer) => answer.taskId === taskId)?.read ?? []

  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy())
  })
  // A worker that is stopped for a while finds its kept connections open.
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  // A TCP server's address is an object.
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    tasks,
    calls,
    arrivals,
    goodAnswers,
    revokeToken() {
      state.tokenNo++
    },
    add: (task) => void tasks.set(task.taskId, task),
    get tokenCalls() {
      return state.tokenCalls
    },
    get faults() {
      return state.faults
    },
    set faults(next) {
      state.faults = next
    },
    get beforeAnswer() {
      return state.beforeAnswer
    },
    set beforeAnswer(next) {
      state.beforeAnswer = next
    },
    get afterAnswer() {
      return state.afterAnswer
    },
    set afterAnswer(next) {
      state.afterAnswer = next
    },
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function listsOf(task: SentTask, now: number, takenBack: readonly string[]) {
  const listed = task.people.filter((person) => person.listedAt <= now)
  const names = (fate: Person['fate']): string[] =>
    listed.filter((person) => person.fate === fate && !hasRead(person, now)).map((person) => person.userId)
  const everyReader = listed.filter((person) => hasRead(person, now)).map((person) => person.userId)
  const taken = everyReader.filter((userId) => takenBack[0] === userId)
  const read = everyReader.filter((userId) => !taken.includes(userId))
  const forbidden = names('forbidden')
  return {
    failed_user_id_list: names('failed'),
    // As in real answers: the reasons are there, the plain list is not.
    forbidden_list: forbidden.map((userid) => ({ code: '143106', count: 1, userid })),
    invalid_dept_id_list: [],
    invalid_user_id_list: names('invalid'),
    read_user_id_list: read,
    unread_user_id_list: [...names('delivered'), ...taken],
  }
}

export function hasRead(person: Person, now: number): boolean {
  return person.fate === 'delivered' && person.readAt !== null && person.readAt <= now
}

/** Instead of a result. */
const MISBEHAVIOURS: Readonly<Record<Fault, (response: ServerResponse, request: IncomingMessage) => void>> = {
  http500: (response) => {
    response.writeHead(502, { 'content-type': 'text/plain' }).end('bad gateway')
  },
  html: (response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<html><body>please wait</body></html>')
  },
  truncated: (response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"errcode":0,"send_result":{"read_user_id_li')
  },
  reset: (_response, request) => {
    request.socket.resetAndDestroy()
  },
  throttle: (response) => {
    json(response, {
      errcode: 88,
      sub_code: '90018',
      sub_msg: 'too many calls',
      errmsg: 'ding talk error[subcode=90018,submsg=too many calls]',
    })
  },
  unknownCode: (response) => {
    json(response, { errcode: 987654, errmsg: 'nobody knows' })
  },
  empty: (response) => {
    json(response, { errcode: 0, errmsg: 'ok', send_result: null })
  },
  badToken: (response) => {
    json(response, { errcode: 88, sub_code: '42001', errmsg: 'ding talk error[subcode=42001,submsg=access_token超时]' })
  },
  wrongType: (response) => {
    json(response, {
      errcode: '0',
      send_result: { read_user_id_list: { a: 1 }, unread_user_id_list: 7, invalid_user_id_list: [null, {}] },
    })
  },
  redirect: (response, request) => {
    response.writeHead(302, { location: `http://${request.headers.host}/elsewhere` }).end()
  },
  huge: (response) => {
    stream(response)
  },
  gzipBomb: (response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end(gzipBomb())
  },
  drip: (response) => {
    drip(response)
  },
  silence: () => undefined,
  permission: (response) => {
    json(response, { errcode: 88, sub_code: '60011', errmsg: 'ding talk error[subcode=60011,submsg=应用尚未开通所需的权限]' })
  },
  quota: (response) => {
    json(response, { errcode: 88, sub_code: '90020', errmsg: 'ding talk error[subcode=90020,submsg=ApiCountLimitForOrg]' })
  },
}

const MEGABYTE = Buffer.alloc(2 ** 20, ' ')

let bomb: Buffer | undefined

function gzipBomb(): Buffer {
  bomb ??= gzipSync(Buffer.alloc(100 * MEGABYTE.length))
  return bomb
}

function stream(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json' })
  Readable.from(Array.from({ length: 100 }, () => MEGABYTE)).pipe(response)
}

function drip(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json' })
  const timer = setInterval(() => response.write(' '), 500)
  response.on('close', () => clearInterval(timer))
}

function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json;charset=utf-8' }).end(JSON.stringify(value))
}

async function text(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of request) parts.push(part as Buffer)
  return Buffer.concat(parts).toString('utf8')
}
