import { InvalidInputError } from '../domain/errors.ts'
import { rotateSecret, setQuota } from './control-app.ts'
import { createTask } from './control-task.ts'
import { FAULT_KINDS, parseFault } from './fault.ts'
import type { FaultBook } from './fault-book.ts'
import { REDIRECT_TARGET, type Reply } from './reply.ts'
import { parseExactJson, type RawRequest } from './request.ts'
import type { CallCounter, SimulatorStats } from './stats.ts'
import { truthOf } from './task.ts'
import type { World } from './world.ts'

export interface Bench {
  readonly world: World
  readonly faults: FaultBook
  readonly counter: CallCounter
  readonly answers: GivenAnswers
  readonly stats: () => SimulatorStats
}

/** One good getsendresult answer as it was given. */
export interface GivenAnswer {
  readonly at: Date
  readonly sendResult: unknown
}
export type GivenAnswers = Map<string, GivenAnswer[]>

/** The address space of `/_simulator`, for those who open it in a browser. */
const INDEX = {
  'POST /_simulator/tasks': 'makes a task, person by person',
  'GET /_simulator/tasks': 'all tasks',
  'GET /_simulator/tasks/:taskId': 'the truth about one task',
  'GET /_simulator/tasks/:taskId/answers': 'the good answers it was given (started with keepAnswers)',
  'GET /_simulator/tasks/:taskId/calls': 'the calls that named it, each poll with its time',
  'POST /_simulator/faults': FAULT_KINDS,
  'GET /_simulator/faults': 'the faults in force',
  'DELETE /_simulator/faults': 'ends them all',
  'DELETE /_simulator/faults/:id': 'ends one',
  'POST /_simulator/rotate-secret': 'gives an app a new secret and refuses the old ones',
  'GET /_simulator/quota': 'what is left of the month',
  'POST /_simulator/quota': 'sets what is left, or buys more',
  'GET /_simulator/stats': 'calls by endpoint, code, app, agent id and way',
  'GET /_simulator/stats/tasks': 'the calls of every task',
}

/** Answers the control routes. Errors have the shape of the tracker's own HTTP API. */
export function control(bench: Bench, request: RawRequest, at: number): Reply {
  try {
    return route(bench, request, at)
  } catch (error) {
    if (error instanceof InvalidInputError) return failure(400, error.code, error.message, error.field)
    throw error
  }
}

function route(bench: Bench, request: RawRequest, at: number): Reply {
  const [, , area = '', id, part] = request.path.split('/')
  if (request.path === REDIRECT_TARGET) return redirected(bench)
  if (area === '') return json(200, INDEX)
  const answer = ROUTES.get(id === undefined ? area : `${area}/:id`)
  const { method, body } = request
  const reply = answer?.(bench, { method, body, at, id: id ?? '', part })
  return reply ?? failure(404, 'NOT_FOUND', `there is no ${method} ${request.path}; GET /_simulator lists what there is`)
}

interface ControlCall {
  readonly method: string
  readonly body: string
  readonly at: number
  readonly id: string
  readonly part: string | undefined
}
/** Undefined: there is no such address after all. */
type Route = (bench: Bench, call: ControlCall) => Reply | undefined

const ROUTES: ReadonlyMap<string, Route> = new Map<string, Route>([
  ['faults', faultsRoute],
  ['faults/:id', faultRoute],
  ['quota', quotaRoute],
  ['rotate-secret', rotationRoute],
  ['stats', ({ stats }, { method }) => (method === 'GET' ? json(200, stats()) : notAllowed(method, 'GET'))],
  ['stats/:id', ({ counter }, { id }) => (id === 'tasks' ? json(200, { tasks: counter.tasks.list() }) : undefined)],
  ['tasks', tasksRoute],
  ['tasks/:id', taskRoute],
])

function faultsRoute({ world, faults }: Bench, { method, body, at }: ControlCall): Reply {
  if (method === 'GET') return json(200, { faults: faults.list(at) })
  if (method === 'POST') {
    const fault = parseFault(jsonOf(body))
    return json(201, { id: faults.add(fault, at), fault })
  }
  if (method !== 'DELETE') return notAllowed(method, 'GET, POST, DELETE')
  const cleared = faults.list(at).length
  clearFaults({ world, faults })
  return json(200, { cleared })
}

/** Ends all faults, and what they left behind. */
export function clearFaults({ world, faults }: Pick<Bench, 'world' | 'faults'>): void {
  faults.clear()
  world.limits.unbanAll()
}

function faultRoute({ faults }: Bench, { method, id }: ControlCall): Reply {
  if (method !== 'DELETE') return notAllowed(method, 'DELETE')
  if (faults.remove(Number(id))) return json(200, { cleared: 1 })
  return failure(404, 'FAULT_NOT_FOUND', `there is no fault ${id.slice(0, 40)} in force; GET /_simulator/faults lists them`)
}

function quotaRoute({ world }: Bench, { method, body, at }: ControlCall): Reply {
  if (method === 'GET') return json(200, world.quotaOf(world.settings.apps[0]?.appKey).stateAt(at))
  return method === 'POST' ? json(200, setQuota(world, jsonOf(body), at)) : notAllowed(method, 'GET, POST')
}

function rotationRoute({ world }: Bench, { method, body, at }: ControlCall): Reply {
  return method === 'POST' ? json(200, rotateSecret(world, jsonOf(body), at)) : notAllowed(method, 'POST')
}

function tasksRoute({ world }: Bench, { method, body, at }: ControlCall): Reply {
  if (method === 'POST') return json(201, truthOf(createTask(world, jsonOf(body), at)))
  if (method !== 'GET') return notAllowed(method, 'GET, POST')
  const tasks = [...world.tasks()].map(({ taskId, appKey, agentId, sentAt, deadline, people }) => ({
    taskId,
    appKey,
    agentId,
    sentAt: new Date(sentAt),
    deadline: new Date(deadline),
    recipients: people.length,
  }))
  return json(200, { tasks })
}

/** @throws {InvalidInputError} */
function jsonOf(body: string): unknown {
  try {
    return parseExactJson(body)
  } catch (error) {
    throw new InvalidInputError('body', `body: not JSON (${error instanceof Error ? error.message : String(error)}); send a JSON object`)
  }
}

function taskRoute({ world, answers, counter }: Bench, { method, id: taskId, part }: ControlCall): Reply {
  if (method !== 'GET') return notAllowed(method, 'GET')
  // Calls that name a task which never was are counted like any other.
  if (part === 'calls') return json(200, counter.tasks.find(taskId))
  const task = world.task(taskId)
  if (task === undefined) return failure(404, 'TASK_NOT_FOUND', `there is no task ${taskId.slice(0, 40)}; GET /_simulator/tasks lists them`)
  if (part === undefined) return json(200, truthOf(task))
  if (part !== 'answers') return failure(404, 'NOT_FOUND', 'of a task there are only /answers and /calls')
  if (!world.settings.keepAnswers) return failure(409, 'NOT_KEPT', 'answers are not kept; start the simulator with keepAnswers: true')
  return json(200, { answers: answers.get(taskId) ?? [] })
}

/** It looks like a success on which everybody failed: a client that follows redirects reports nonsense. */
function redirected({ counter }: Bench): Reply {
  counter.redirectsFollowed += 1
  return json(200, { errcode: 0, errmsg: 'ok', send_result: { read_user_id_list: ['redirected'] } })
}

function notAllowed(method: string, allowed: string): Reply {
  return failure(405, 'METHOD_NOT_ALLOWED', `${method} is not possible here; use ${allowed}`)
}

export function failure(status: number, code: string, message: string, field?: string): Reply {
  return json(status, { error: { code, message, ...(field !== undefined && { field }) } })
}

function json(status: number, value: unknown): Reply {
  return { status, headers: { 'content-type': 'application/json;charset=utf-8' }, body: JSON.stringify(value), code: String(status) }
}
