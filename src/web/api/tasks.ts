import type { FastifyInstance } from 'fastify'
import { InvalidInputError } from '../../domain/errors.ts'
import { parseTrackRequest } from '../../intake/track-request.ts'
import { TRACK_SCHEMA } from '../../intake/track-schema.ts'
import type { Tracking } from '../../polling/ports.ts'
import { cancelTask, resumeTask } from '../../polling/task-commands.ts'
import type { RateReader, TaskRates } from '../../report/rates.ts'
import { addEndpoint } from './endpoint.ts'
import { app, at, campaign, cursor, format, limit, search, since, state, status, taskId, until } from './parameters.ts'
import { sendTaskCsv } from './people.ts'
import { CURVE, listOf, pageOf, ref, STATE_AT, type TrackAnswer } from './schemas.ts'

export interface TaskRoutes {
  readonly rates: RateReader
  readonly tracking: Tracking
  readonly now: () => Date
  /** Requests to track that one address may make in a second. */
  readonly enqueuesPerSecond: number
}

export function addTaskRoutes(scope: FastifyInstance, routes: TaskRoutes): void {
  addTracking(scope, routes)
  addTaskReads(scope, routes.rates)
  addTaskHistory(scope, routes.rates)
}

function addTracking(scope: FastifyInstance, { rates, tracking, now, enqueuesPerSecond }: TaskRoutes): void {
  addEndpoint(scope, {
    method: 'POST',
    path: '/v1/tasks',
    id: 'trackTask',
    summary:
      'Starts tracking a sent work notification. Retrying is safe; what a second request says otherwise is taken until a poll has succeeded',
    query: {},
    body: TRACK_SCHEMA,
    status: 202,
    answer: ref('Tracked'),
    failures: [413, 415, 429],
    config: { rateLimit: { max: enqueuesPerSecond, timeWindow: 1_000 } },
    async handle({ request, reply }): Promise<TrackAnswer> {
      const asked = parseTrackRequest(request.body, now())
      const outcome = await tracking.track(asked)
      const key = { app: asked.app, taskId: asked.taskId }
      void reply.header('location', `/v1/tasks/${key.taskId}?app=${encodeURIComponent(key.app)}`)
      return { ...key, status: outcome.status, duplicate: !outcome.isNew, conflict: outcome.conflict, updated: outcome.updated }
    },
  })
  addEndpoint(scope, {
    method: 'POST',
    path: '/v1/tasks/:taskId/resume',
    id: 'resumeTask',
    summary: 'Polls a task at once, whatever delayed it. The rate limit and the monthly call budget are not lifted',
    query: { app },
    answer: ref('ResumedTask'),
    failures: [404, 409, 415],
    handle({ param, query, request }) {
      assertNoBody(request.body)
      return resumeTask(rates, tracking.resuming, { taskId: param('taskId'), ...query })
    },
  })
  addEndpoint(scope, {
    method: 'POST',
    path: '/v1/tasks/:taskId/cancel',
    id: 'cancelTask',
    summary: 'Stops tracking a task; what is known of it stays. Doing so twice is no mistake',
    query: { app },
    answer: ref('Task'),
    failures: [404, 409, 415],
    async handle({ param, query, request }): Promise<TaskRates> {
      assertNoBody(request.body)
      return (await cancelTask(rates, tracking, { taskId: param('taskId'), ...query })).task
    },
  })
}

/** A body would be ignored. */
export function assertNoBody(body: unknown): void {
  if (body === undefined || body === null || (typeof body === 'object' && Object.keys(body).length === 0)) return
  throw new InvalidInputError('body', 'This request takes no body. Name the app in the query: ?app=')
}

function addTaskReads(scope: FastifyInstance, rates: RateReader): void {
  addEndpoint(scope, {
    method: 'GET',
    path: '/v1/tasks',
    id: 'listTasks',
    summary: 'Tasks with their figures, latest sent first',
    query: { app, campaign, taskId, status, since, until, limit, cursor },
    answer: pageOf('tasks', 'Task'),
    failures: [],
    async handle({ query }) {
      const { items, nextCursor } = await rates.tasks(query)
      return { tasks: items, nextCursor }
    },
  })
  addEndpoint(scope, {
    method: 'GET',
    path: '/v1/tasks/:taskId',
    id: 'getTask',
    summary: 'One task: status, counts, rates',
    query: { app },
    answer: ref('Task'),
    failures: [404, 409],
    handle: ({ param, query }) => rates.task({ taskId: param('taskId'), ...query }),
  })
  addEndpoint(scope, {
    method: 'GET',
    path: '/v1/tasks/:taskId/recipients',
    id: 'listTaskRecipients',
    summary: 'Everybody in a task, by user id',
    query: { app, state, search, format },
    answer: listOf('recipients', 'Recipient'),
    csv: true,
    failures: [404, 409],
    async handle({ param, query: { app: named, format: wanted, ...filter }, reply }) {
      const task = { taskId: param('taskId'), app: named }
      return wanted === 'csv' ? sendTaskCsv(reply, rates, task, filter) : { recipients: await rates.recipients(task, filter) }
    },
  })
  addEndpoint(scope, {
    method: 'GET',
    path: '/v1/tasks/:taskId/curve',
    id: 'getTaskCurve',
    summary: 'How many had read by when: a point for each successful poll, and the band of what is possible between them',
    query: { app },
    answer: CURVE,
    failures: [404, 409],
    async handle({ param, query }) {
      const task = { taskId: param('taskId'), ...query }
      const [curve, band] = await Promise.all([rates.curve(task), rates.band(task)])
      return { curve, band }
    },
  })
  addEndpoint(scope, {
    method: 'GET',
    path: '/v1/tasks/:taskId/time-to-read',
    id: 'getTaskTimeToRead',
    summary: 'When people read: quantiles and shares, each with its bounds',
    query: { app },
    answer: ref('TimeToRead'),
    failures: [404, 409],
    handle: ({ param, query }) => rates.timeToRead({ taskId: param('taskId'), ...query }),
  })
  addEndpoint(scope, {
    method: 'GET',
    path: '/v1/tasks/:taskId/forbidden',
    id: 'listTaskForbidden',
    summary: "Forbidden people by DingTalk's code, most first",
    query: { app },
    answer: listOf('forbidden', 'ForbiddenCount'),
    failures: [404, 409],
    handle: async ({ param, query }) => ({ forbidden: await rates.forbidden({ taskId: param('taskId'), ...query }) }),
  })
}

function addTaskHistory(scope: FastifyInstance, rates: RateReader): void {
  addEndpoint(scope, {
    method: 'GET',
    path: '/v1/tasks/:taskId/polls',
    id: 'listPolls',
    summary: 'Every look at a task, good or failed, oldest first',
    query: { app },
    answer: listOf('polls', 'Poll'),
    failures: [404, 409],
    handle: async ({ param, query }) => ({ polls: await rates.polls({ taskId: param('taskId'), ...query }) }),
  })
  addEndpoint(scope, {
    method: 'GET',
    path: '/v1/tasks/:taskId/people/:userId',
    id: 'explainPerson',
    summary: 'One person in a task, and what each poll said about them',
    query: { app },
    answer: ref('PersonHistory'),
    failures: [404, 409],
    handle: ({ param, query }) => rates.explain({ taskId: param('taskId'), ...query }, param('userId')),
  })
  addEndpoint(scope, {
    method: 'GET',
    path: '/v1/tasks/:taskId/state-at',
    id: 'getStateAt',
    summary: 'What was known about each person at a moment',
    query: { app, at },
    required: ['at'],
    answer: STATE_AT,
    failures: [404, 409],
    async handle({ param, query: { app: named, at: moment } }) {
      if (moment === undefined) throw new InvalidInputError('at', 'at is missing. Give the moment, such as ?at=2026-11-23T01:00:00Z.')
      return { at: moment, recipients: await rates.stateAt({ taskId: param('taskId'), app: named }, moment) }
    },
  })
}
