import { z } from 'zod'
import { InvalidInputError } from '../domain/errors.ts'
import { createTask, rotateSecret, setQuota } from './changes.ts'
import { FAULT_KINDS, type FaultBook, parseFault } from './faults.ts'
import { parseInput } from './input.ts'
import { REDIRECT_TARGET, type Reply } from './reply.ts'
import { parseExactJson, type RawRequest } from './request.ts'
import type { CallCounter, SimulatorStats } from './stats.ts'
import { type SimulatedTask, toTruth } from './task.ts'
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
  readonly query: URLSearchParams
  /** The part of the path that stands for `:taskId` or `:id`. */
  readonly id: string
}

type Answer = (bench: Bench, call: ControlCall) => Reply

const CURVE = z.strictObject({
  sentAt: z.iso.datetime({ offset: true, error: 'expected an ISO 8601 time with its zone' }).optional(),
  campaign: z.string().min(1).optional(),
})

/** Method and path under `/_simulator`; what it does, for the index; the answer. */
const ROUTES: Readonly<Record<string, readonly [about: unknown, answer: Answer]>> = {
  'POST tasks': ['makes a task, person by person', ({ world }, { json, at }) => reply(201, toTruth(createTask(world, json(), at)))],
  'GET tasks': ['all tasks', ({ world }) => reply(200, { tasks: [...world.tasks()].map(toSummary) })],
  'GET tasks/:taskId': ['the truth about one task', ({ world }, { id }) => withTask(world, id, (task) => reply(200, toTruth(task)))],
  'GET tasks/:taskId/answers': ['the successful answers it was given (started with keepAnswers)', givenAnswers],
  // Calls that name a task which does not exist are counted like any other.
  'GET tasks/:taskId/calls': [
    'the calls that named it, each poll with its time',
    ({ counter }, { id }) => reply(200, counter.tasks.find(id)),
  ],
  'GET directory': ['departments and people, as the contact API has them', ({ world }) => reply(200, world.directory)],
  'GET clock': ['the local time of the simulated organisation, and the line for workers', showClock],
  'GET curve': ['the true share read by each minute after a send: sentAt=ISO_TIME (now), campaign=NAME', showCurve],
  'POST faults': [FAULT_KINDS, addFault],
  'GET faults': ['the faults in force', ({ faults }, { at }) => reply(200, { faults: faults.list(at) })],
  'DELETE faults': ['ends them all', (bench, { at }) => reply(200, { cleared: clearFaults(bench, at) })],
  'DELETE faults/:id': ['ends one', removeFault],
  'POST rotate-secret': [
    'gives an app a new secret and refuses the old ones',
    ({ world }, { json, at }) => reply(200, rotateSecret(world, json(), at)),
  ],
  'GET quota': ['the rest of the month', ({ world }, { at }) => reply(200, world.findQuota(world.settings.apps[0]?.appKey).stateAt(at))],
  'POST quota': ['sets the rest of the month, or buys more', ({ world }, { json, at }) => reply(200, setQuota(world, json(), at))],
  'GET stats': ['calls by endpoint, code, app, agent id and way', ({ stats }) => reply(200, stats())],
  'GET stats/tasks': ['the calls of every task', ({ counter }) => reply(200, { tasks: counter.tasks.list() })],
}

/** Answers the routes under `/_simulator`. Errors have the shape of the tracker's own HTTP API. */
export function control(bench: Bench, request: RawRequest, at: number): Reply {
  try {
    return answerRoute(bench, request, at)
  } catch (error) {
    if (error instanceof InvalidInputError) return failure(400, error.code, error.message, error.field)
    throw error
  }
}

function answerRoute(bench: Bench, { path, method, body, query }: RawRequest, at: number): Reply {
  if (path === REDIRECT_TARGET) return redirected(bench)
  const [area = '', id = '', ...rest] = path.split('/').slice(2)
  if (area === '') return reply(200, index())
  const given = path.slice('/_simulator/'.length)
  const general = [area, area === 'tasks' ? ':taskId' : ':id', ...rest].join('/')
  const [place, methods] = methodsAt(given).length > 0 ? [given, methodsAt(given)] : [general, methodsAt(general)]
  const found = methods.includes(method) ? ROUTES[`${method} ${place}`] : undefined
  if (found !== undefined) return found[1](bench, { json: () => parseJson(body), at, query, id })
  if (methods.length > 0) return failure(405, 'METHOD_NOT_ALLOWED', `${method} is not possible here; use ${methods.join(', ')}`)
  return failure(404, 'NOT_FOUND', `there is no ${method} ${path}; GET /_simulator lists what there is`)
}

function methodsAt(path: string): string[] {
  const routes = Object.keys(ROUTES).map((route) => route.split(' '))
  return routes.flatMap(([method = '', at]) => (at === path ? [method] : []))
}

/** All routes, for a reader with a browser. */
function index(): Record<string, unknown> {
  return Object.fromEntries(Object.entries(ROUTES).map(([route, [about]]) => [route.replace(' ', ' /_simulator/'), about]))
}

function addFault({ faults }: Bench, { json, at }: ControlCall): Reply {
  const fault = parseFault(json())
  return reply(201, { id: faults.add(fault, at), fault })
}

function removeFault({ faults }: Bench, { id }: ControlCall): Reply {
  if (faults.remove(Number(id))) return reply(200, { cleared: 1 })
  return failure(404, 'FAULT_NOT_FOUND', `there is no fault ${id.slice(0, 40)} in force; GET /_simulator/faults lists them`)
}

/** Ends all faults, and the penalties that they caused. @returns how many were in force */
export function clearFaults({ world, faults }: Pick<Bench, 'world' | 'faults'>, at: number): number {
  const cleared = faults.list(at).length
  faults.clear()
  world.limits.unbanAll()
  return cleared
}

function toSummary({ taskId, appKey, agentId, sentAt, deadline, people }: SimulatedTask) {
  return { taskId, appKey, agentId, sentAt: new Date(sentAt), deadline: new Date(deadline), recipients: people.length }
}

function withTask(world: World, id: string, answer: (task: SimulatedTask) => Reply): Reply {
  const task = world.task(id)
  if (task !== undefined) return answer(task)
  return failure(404, 'TASK_NOT_FOUND', `there is no task ${id.slice(0, 40)}; GET /_simulator/tasks lists them`)
}

function showClock({ world: { week, settings } }: Bench, { at }: ControlCall): Reply {
  const localTime = new Date(week.localAt(at)).toISOString().slice(0, -1)
  return reply(200, { localTime, clockStart: week.clockStart, timeScale: settings.timeScale })
}

function showCurve({ world: { reader } }: Bench, { at, query }: ControlCall): Reply {
  if (reader === undefined)
    return failure(409, 'NO_LAW', 'there is no law of attention here; start the simulator with --law NAME or the option attention')
  const { sentAt, campaign } = parseInput(CURVE, Object.fromEntries(query), 'GET /_simulator lists what there is')
  return reply(200, reader.trueCurve(sentAt === undefined ? at : Date.parse(sentAt), campaign))
}

function givenAnswers({ world, answers }: Bench, { id }: ControlCall): Reply {
  return withTask(world, id, () =>
    world.settings.keepAnswers
      ? reply(200, { answers: answers.get(id) ?? [] })
      : failure(409, 'NOT_KEPT', 'answers are not kept; start the simulator with keepAnswers: true'),
  )
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
  counter.redirectFollowed()
  return reply(200, { errcode: 0, errmsg: 'ok', send_result: { read_user_id_list: ['redirected'] } })
}

export function failure(status: number, code: string, message: string, field?: string): Reply {
  return reply(status, { error: { code, message, ...(field !== undefined && { field }) } })
}

function reply(status: number, value: unknown): Reply {
  return { status, headers: { 'content-type': 'application/json;charset=utf-8' }, body: JSON.stringify(value), code: String(status) }
}
