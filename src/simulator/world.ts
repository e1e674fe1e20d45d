import { type Answer, type ApiError, encode, errorAnswer, newApiError, plainError, rateLimited, success, wrappedError } from './answer.ts'
import { type AppBook, createAppBook, type Identity } from './apps.ts'
import { hash53, randomText } from './chance.ts'
import { answerContacts, createDirectory, type Directory } from './directory.ts'
import { type Draft, drawPerson, type Person, type TaskReading } from './fate.ts'
import { createRateLimits, MonthlyQuota, type RateLimits } from './limits.ts'
import { createReader, type Reader, type SentTask } from './reading.ts'
import { type ApiCall, agentIdOf, isContactEndpoint, isTokenEndpoint, taskIdOf } from './request.ts'
import { createSendHistory, parseAudience, type SendHistory } from './sending.ts'
import { type AppCredentials, DEFAULT_CORP_ID, HOUR_MS, type Settings } from './settings.ts'
import { DAY_MS, MAX_RECIPIENTS, progressAt, recalled, type SimulatedTask, sendResultAt } from './task.ts'
import { answerTokenCall, createTokenBook, credentialsIn, type Token, type TokenBook } from './tokens.ts'
import { createWeek, type Week } from './week.ts'

/** DingTalk does not document the code of "Call timeout": each task has one of the candidates, so that no client relies on one number. */
const CALL_TIMEOUTS = [
  ['15', 'Call timeout'],
  ['50', '调用超时'],
  ['500', 'Call timeout'],
  ['-1', '调用超时'],
] as const

export interface NewTask {
  readonly appKey: string
  readonly agentId: string
  readonly sentAt: number
  readonly people: readonly Person[]
  readonly invalidDepartments?: readonly number[]
}

/** DingTalk without a network: the answer to a call at a moment. It has no clock, no sockets and no faults. */
export class World {
  readonly settings: Settings
  readonly tokens: TokenBook
  readonly limits: RateLimits
  readonly apps: AppBook
  readonly directory: Directory
  readonly week: Week
  /** Undefined without a law of attention. */
  readonly reader: Reader | undefined
  /** By organisation. */
  readonly #quotas = new Map<string, MonthlyQuota>()
  readonly #tasks = new Map<string, SimulatedTask>()
  readonly #history: SendHistory
  readonly #startedAt: number
  #nextTaskId: bigint
  #calls = 0

  /** @param startedAt epoch ms */
  constructor(settings: Settings, startedAt: number) {
    this.settings = settings
    this.#startedAt = startedAt
    this.tokens = createTokenBook(settings.seed, settings.tokenSeconds)
    this.limits = createRateLimits(settings.callsPerSecond, settings.penaltySeconds)
    this.apps = createAppBook(settings.apps)
    this.directory = createDirectory(settings.directory, settings.seed)
    this.week = createWeek(settings, startedAt)
    this.reader = settings.attention && createReader(settings.attention, this.week, settings.seed)
    this.#history = createSendHistory(settings.timeScale)
    this.#nextTaskId = BigInt(settings.firstTaskId)
  }

  /** The app of a call, as far as the call shows it: a token call by its key and secret, any other by its token, expired or not. */
  findIdentity(call: ApiCall): Partial<Identity> {
    if (!isTokenEndpoint(call.endpoint)) return this.tokens.find(call.token) ?? {}
    const [appKey, secret] = credentialsIn(call, call.endpoint)
    return appKey === undefined ? {} : (this.apps.identify(appKey, secret) ?? { appKey })
  }

  answer(call: ApiCall, at: number): Answer {
    return this.#answerWith(call, at, (token) => this.#answerApi(call, token, at))
  }

  /** As `answer`, with this answer of the API behind the gateway. */
  answerInstead(answer: Answer, call: ApiCall, at: number): Answer {
    return isTokenEndpoint(call.endpoint) ? answer : this.#answerWith(call, at, () => answer)
  }

  /** The hour of the simulated day: since the send of the task that the call names, if there is one, and since the start. */
  computeHours(call: ApiCall, at: number): { readonly send: number; readonly start: number } {
    const hoursSince = (begin: number) => ((at - begin) * this.settings.timeScale) / HOUR_MS
    return { send: hoursSince(this.task(taskIdOf(call) ?? '')?.sentAt ?? this.#startedAt), start: hoursSince(this.#startedAt) }
  }

  /** The quota of the organisation that an app belongs to. */
  findQuota(appKey: string | undefined): MonthlyQuota {
    const corpId = this.app(appKey ?? '')?.corpId ?? DEFAULT_CORP_ID
    const quota = this.#quotas.get(corpId) ?? new MonthlyQuota(this.settings.monthlyQuota)
    this.#quotas.set(corpId, quota)
    return quota
  }

  #answerWith(call: ApiCall, at: number, api: (token: Token) => Answer): Answer {
    this.#calls += 1
    const answer = this.#decide(call, at, api)
    if (call.path.startsWith('/v1.0/')) return answer
    return { ...answer, fields: { ...answer.fields, request_id: randomText(13, this.settings.seed, 'request', this.#calls) } }
  }

  tasks(): Iterable<SimulatedTask> {
    return this.#tasks.values()
  }

  task(taskId: string): SimulatedTask | undefined {
    return this.#tasks.get(taskId)
  }

  app(appKey: string): AppCredentials | undefined {
    return this.apps.find(appKey)
  }

  /** How the people of a task read; undefined: as `laws` says. */
  readingOf(task: SentTask): TaskReading | undefined {
    return this.reader && { neverShare: this.reader.neverShare, drawMs: this.reader.forTask(task) }
  }

  nextTaskId(): string {
    while (this.#tasks.has(String(this.#nextTaskId))) this.#nextTaskId += 1n
    return String(this.#nextTaskId)
  }

  addTask(taskId: string, task: NewTask): SimulatedTask {
    const deadline = task.sentAt + DAY_MS / this.settings.timeScale
    const added = { invalidDepartments: [], ...task, taskId, deadline, recalledAt: null }
    this.#tasks.set(taskId, added)
    this.apps.addAgentId(task.appKey, task.agentId)
    return added
  }

  #decide(call: ApiCall, at: number, api: (token: Token) => Answer): Answer {
    if (call.endpoint === 'unknown') return unknownPath(call.path)
    if (isTokenEndpoint(call.endpoint)) return answerTokenCall(call, call.endpoint, this.apps, this.tokens, at)
    if (call.method !== 'POST') return plainError('43002')
    const token = this.tokens.find(call.token)
    if (token === undefined) return wrappedError(call.token === undefined ? '41001' : '40014')
    if (token.expiresAt <= at) return wrappedError('42001')
    const refusedUntil = this.limits.refusal(token.appKey, call.endpoint, at)
    if (refusedUntil !== undefined) return rateLimited('90018', refusedUntil)
    const metered = token.kind === 'internal'
    if (metered && !this.findQuota(token.appKey).take(at)) return wrappedError('90020')
    const answer = call.malformed ? plainError('47001') : api(token)
    return metered ? { ...answer, metered } : answer
  }

  #answerApi(call: ApiCall, token: Token, at: number): Answer {
    if (isContactEndpoint(call.endpoint)) return answerContacts(this.directory, call, call.endpoint)
    const taskField = call.endpoint === 'recall' ? 'msg_task_id' : 'task_id'
    const required = call.endpoint === 'asyncsend_v2' ? ['agent_id', 'msg'] : ['agent_id', taskField]
    const missing = required.find((name) => !hasField(call, name))
    if (missing !== undefined) return plainError('40', `Missing required arguments:${missing}`)
    if (call.endpoint === 'asyncsend_v2') return this.#send(call, token, at)

    const task = this.task(taskIdOf(call) ?? '')
    const refusal = this.#findRefusal(task, call, token, at)
    if (task === undefined || refusal !== undefined) return errorAnswer(refusal ?? this.settings.unknownTaskCode, call, token.appKey)
    if (call.endpoint === 'recall') return this.#recall(task, at)
    if (call.endpoint === 'getsendprogress') return success({ progress: progressAt(task, at) })
    return task.people.length > MAX_RECIPIENTS ? callTimeout(task) : success({ send_result: sendResultAt(task, at) })
  }

  /** The agent id is checked before the task: DingTalk's page on recall says "agentId or taskId invalid" without an order. */
  #findRefusal(task: SimulatedTask | undefined, call: ApiCall, token: Token, at: number): ApiError | undefined {
    const { wrongAgentCode, foreignAgentCode, unknownTaskCode, expiredTaskCode } = this.settings
    const agentId = agentIdOf(call) ?? ''
    const owner = this.apps.ownerOfAgent(agentId, token.appKey)
    if (owner !== 'own') return owner === 'other' ? foreignAgentCode : wrongAgentCode
    if (task?.appKey !== token.appKey || task.agentId !== agentId) return unknownTaskCode
    return at >= task.deadline ? (expiredTaskCode ?? unknownTaskCode) : undefined
  }

  #send(call: ApiCall, token: Token, at: number): Answer {
    const agentId = agentIdOf(call) ?? ''
    const owner = this.apps.ownerOfAgent(agentId, token.appKey)
    if (owner === 'other') return errorAnswer(this.settings.foreignAgentCode, call, token.appKey)
    if (owner === 'none') return plainError('40056')
    const { userIds, invalidDepartments } = parseAudience(call.fields, this.directory)
    if (userIds.length + invalidDepartments.length === 0) return plainError('1430000')
    this.#history.forget(at)
    const taskId = this.nextTaskId()
    const message = messageText(call)
    const reading = this.readingOf({ taskId, campaign: message, sentAt: at })
    const people = userIds.map((userId) => this.#addressee({ taskId, userId, sentAt: at, reading }, message, token))
    this.addTask(taskId, { appKey: token.appKey, agentId, sentAt: at, people, invalidDepartments })
    this.#nextTaskId += 1n
    return success({ task_id: BigInt(taskId) })
  }

  #addressee(sent: Pick<Draft, 'taskId' | 'userId' | 'sentAt' | 'reading'>, message: string, token: Token): Person {
    const { seed, timeScale, laws } = this.settings
    const person = drawPerson({ ...sent, seed, timeScale, laws })
    if (person.fate !== 'read' && person.fate !== 'never') return person
    const forbidden = this.#history.refusal(token, sent.userId, message, sent.sentAt)
    return forbidden === undefined ? person : { ...person, fate: 'forbidden', readAt: Infinity, forbidden }
  }

  #recall(task: SimulatedTask, at: number): Answer {
    this.#tasks.set(task.taskId, recalled(task, at))
    return success({})
  }
}

function unknownPath(path: string): Answer {
  if (path.startsWith('/v1.0/')) return newApiError(404, 'InvalidAction.NotFound')
  const message = `不合法ApiName，ApiName = dingtalk.oapi${path.replace(/^\/topapi/, '').replaceAll('/', '.')}`
  const fields = { errcode: 22, sub_msg: message, errmsg: `Invalid method[submsg=${message}]` }
  return { status: 200, code: '22', fields }
}

function hasField(call: ApiCall, name: string): boolean {
  const value = call.fields.get(name)
  return value !== undefined && value !== null && value !== ''
}

function callTimeout(task: SimulatedTask): Answer {
  const [code, message] = CALL_TIMEOUTS[hash53(task.taskId) % CALL_TIMEOUTS.length] ?? CALL_TIMEOUTS[0]
  return plainError(code, message)
}

/** The same message has the same text whether it came as an object or as a form field with JSON in it. */
function messageText(call: ApiCall): string {
  const value = call.fields.get('msg')
  if (typeof value !== 'string') return encode({ value })
  try {
    return encode({ value: JSON.parse(value) })
  } catch {
    return encode({ value })
  }
}
