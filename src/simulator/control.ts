import { InvalidInputError } from '../domain/errors.ts'
import { createTask, rotateSecret, setQuota } from './changes.ts'
import { FAULT_KINDS, type FaultBook, parseFault } from './faults.ts'
import { REDIRECT_TARGET, type Reply } from './reply.ts'
import { parseExactJson, type RawRequest } from './request.ts'
import type { CallCounter, SimulatorStats } from './stats.ts'
import { truthOf } from './task.ts'
import type { World } from './world.ts'

/** A world with the faults, counters and kept answers around it. */
export interface Bench {
  readonly world: World
  readonly faults: FaultBook
  readonly counter: CallCounter
  readonly answers: GivenAnswers
  readonly stats: () => SimulatorStats
}

/** One successful getsendresult answer as it was given. */
export interface GivenAnswer {
  readonly at: Date
  readonly sendResult: unknown
}
export type GivenAnswers = Map<string, GivenAnswer[]>

interface ControlCall {
  /** The body as JSON. @throws {InvalidInputError} */
  readonly json: () => unknown
  readonly at: number
  /** The part of the path that stands for `:taskId` or `:id`. */
  readonly id: string
}

interface Route {
  /** For the index. */
  readonly about: unknown
  readonly answer: (bench: Bench, call: ControlCall) => Reply
}

/** By path under `/_simulator`, then by method. */
const ROUTES: Readonly<Record<string, Readonly<Record<string, Route>>>> = {
  tasks: {
    POST: {
      about: 'makes a task, person by person',
      answer: ({ world }, { json, at }) => reply(201, truthOf(createTask(world, json(), at))),
    },
    GET: { about: 'all tasks', answer: ({ world }) => reply(200, { tasks: [...world.tasks()].map(summaryOf) }) },
  },
  'tasks/:taskId': {
    GET: {
      about: 'the truth about one task',
      answer: ({ world }, { id }) => {
        const task = world.task(id)
        return task === undefined ? noSuchTask(id) : reply(200, truthOf(task))
      },
    },
  },
  'tasks/:taskId/answers': {
    GET: { about: 'the successful answers it was given (started with keepAnswers)', answer: givenAnswers },
  },
  'tasks/:taskId/calls': {
    // Calls that name a task which does not exist are counted like any other.
    GET: { about: 'the calls that named it, each poll with its time', answer: ({ counter }, { id }) => reply(200, counter.tasks.find(id)) },
  },
  faults: {
    POST: {
      about: FAULT_KINDS,
      answer: ({ faults }, { json, at }) => {
        const fault = parseFault(json())
        return reply(201, { id: faults.add(fault, at), fault })
      },
    },
    GET: { about: 'the faults in force', answer: ({ faults }, { at }) => reply(200, { faults: faults.list(at) }) },
    DELETE: {
      about: 'ends them all',
      answer: (bench, { at }) => {
        const cleared = bench.faults.list(at).length
        clearFaults(bench)
        return reply(200, { cleared })
      },
    },
  },
  'faults/:id': {
    DELETE: {
      about: 'ends one',
      answer: ({ faults }, { id }) =>
        faults.remove(Number(id))
          ? reply(200, { cleared: 1 })
          : failure(404, 'FAULT_NOT_FOUND', `there is no fault ${id.slice(0, 40)} in force; GET /_simulator/faults lists them`),
    },
  },
  'rotate-secret': {
    POST: {
      about: 'gives an app a new secret and refuses the old ones',
      answer: ({ world }, { json, at }) => reply(200, rotateSecret(world, json(), at)),
    },
  },
  quota: {
    GET: {
      about: 'the rest of the month',
      answer: ({ world }, { at }) => reply(200, world.quotaOf(world.settings.apps[0]?.appKey).stateAt(at)),
    },
    POST: {
      about: 'sets the rest of the month, or buys more',
      answer: ({ world }, { json, at }) => reply(200, setQuota(world, json(), at)),
    },
  },
  stats: { GET: { about: 'calls by endpoint, code, app, agent id and way', answer: ({ stats }) => reply(200, stats()) } },
  'stats/tasks': { GET: { about: 'the calls of every task', answer: ({ counter }) => reply(200, { tasks: counter.tasks.list() }) } },
}

/** Answers the routes under `/_simulator`. Errors have the shape of the tracker's own HTTP API. */
export function control(bench: Bench, request: RawRequest, at: number): Reply {
  try {
    return route(bench, request, at)
  } catch (error) {
    if (error instanceof InvalidInputError) return failure(400, error.code, error.message, error.field)
    throw error
  }
}

function route(bench: Bench, { path, method, body }: RawRequest, at: number): Reply {
  if (path === REDIRECT_TARGET) return redirected(bench)
  const [area = '', id = '', ...rest] = path.split('/').slice(2)
  if (area === '') return reply(200, index())
  const routes = routesAt(path.slice('/_simulator/'.length)) ?? routesAt([area, area === 'tasks' ? ':taskId' : ':id', ...rest].join('/'))
  if (routes === undefined) return failure(404, 'NOT_FOUND', `there is no ${method} ${path}; GET /_simulator lists what there is`)
  const found = routes[method]
  if (found !== undefined) return found.answer(bench, { json: () => parseJson(body), at, id })
  return failure(405, 'METHOD_NOT_ALLOWED', `${method} is not possible here; use ${Object.keys(routes).join(', ')}`)
}

function routesAt(path: string): (typeof ROUTES)[string] | undefined {
  return Object.hasOwn(ROUTES, path) ? ROUTES[path] : undefined
}

/** All routes, for a reader with a browser. */
function index(): Record<string, unknown> {
  const lines = Object.entries(ROUTES).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { about }]) => [`${method} /_simulator/${path}`, about] as const),
  )
  return Object.fromEntries(lines)
}

/** Ends all faults, and the penalties that they caused. */
export function clearFaults({ world, faults }: Pick<Bench, 'world' | 'faults'>): void {
  faults.clear()
  world.limits.unbanAll()
}

function summaryOf({ taskId, appKey, agentId, sentAt, deadline, people }: ReturnType<World['addTask']>) {
  return { taskId, appKey, agentId, sentAt: new Date(sentAt), deadline: new Date(deadline), recipients: people.length }
}

function givenAnswers({ world, answers }: Bench, { id }: ControlCall): Reply {
  if (world.task(id) === undefined) return noSuchTask(id)
  if (!world.settings.keepAnswers) return failure(409, 'NOT_KEPT', 'answers are not kept; start the simulator with keepAnswers: true')
  return reply(200, { answers: answers.get(id) ?? [] })
}

function noSuchTask(id: string): Reply {
  return failure(404, 'TASK_NOT_FOUND', `there is no task ${id.slice(0, 40)}; GET /_simulator/tasks lists them`)
}

function parseJson(body: string): unknown {
  try {
    return parseExactJson(body)
  } catch (error) {
    throw new InvalidInputError('body', `body: not JSON (${error instanceof Error ? error.message : String(error)}); send a JSON object`)
  }
}

/** It looks like a success with a wrong person: a client that follows redirects reports wrong results. */
function redirected({ counter }: Bench): Reply {
  counter.redirectsFollowed += 1
  return reply(200, { errcode: 0, errmsg: 'ok', send_result: { read_user_id_list: ['redirected'] } })
}

export function failure(status: number, code: string, message: string, field?: string): Reply {
  return reply(status, { error: { code, message, ...(field !== undefined && { field }) } })
}

function reply(status: number, value: unknown): Reply {
  return { status, headers: { 'content-type': 'application/json;charset=utf-8' }, body: JSON.stringify(value), code: String(status) }
}
