import { z } from 'zod'
import { parseTrackRequest } from '../../intake/track-request.ts'
import { TRACK_SCHEMA } from '../../intake/track-schema.ts'
import { cancelTask, resumeTask } from '../../polling/task-commands.ts'
import { app, at, campaign, cursor, format, limit, search, since, state, status, strictQuery, taskId, until, userId } from './parameters.ts'
import { CSV, sendTaskCsv } from './people.ts'
import { type Api, type ApiDeps, failures, ok, okOrCsv, rejectBody } from './route.ts'
import { Curve, Forbidden, History, list, page, Recipient, ResumedTask, State, Task, TaskPoll, TimesToRead, Tracked } from './schemas.ts'

const ONE_TASK = { params: z.object({ taskId }), querystring: strictQuery({ app }) }

export function addTaskRoutes(api: Api, deps: ApiDeps): void {
  addTracking(api, deps)
  addTaskReads(api, deps)
  addTaskHistory(api, deps)
}

function addTracking(api: Api, { rates, tracking, now, enqueuesPerSecond }: ApiDeps): void {
  api.post(
    '/v1/tasks',
    {
      config: { rateLimit: { max: enqueuesPerSecond, timeWindow: 1_000 } },
      // Fastify passes a missing body to the schema as null, which has another error message.
      preValidation: async ({ body }) => {
        if (body === undefined) parseTrackRequest(body, now())
      },
      schema: {
        operationId: 'trackTask',
        summary:
          'Starts tracking a sent work notification. Retrying is safe; values that differ in a second request are taken until a poll has succeeded',
        querystring: strictQuery({}),
        // `parseTrackRequest` checks it, as for all ways to enqueue.
        body: z.unknown().meta({ ...TRACK_SCHEMA, examples: [...TRACK_SCHEMA.examples] }),
        response: { 202: ok(Tracked), ...failures(413, 415, 429) },
      },
    },
    async ({ body }, reply) => {
      const request = parseTrackRequest(body, now())
      const { isNew, status: stored, conflict, updated } = await tracking.track(request)
      void reply.status(202).header('location', `/v1/tasks/${request.taskId}?app=${encodeURIComponent(request.app)}`)
      return { app: request.app, taskId: request.taskId, status: stored, duplicate: !isNew, conflict, updated }
    },
  )
  api.post(
    '/v1/tasks/:taskId/resume',
    {
      preHandler: rejectBody,
      schema: {
        ...ONE_TASK,
        operationId: 'resumeTask',
        summary: 'Polls a task at once, whatever delayed it. The rate limit and the monthly call budget are not lifted',
        response: { 200: ok(ResumedTask), ...failures(404, 409, 415) },
      },
    },
    ({ params, query }) => resumeTask(rates, tracking.resuming, { ...params, ...query }),
  )
  api.post(
    '/v1/tasks/:taskId/cancel',
    {
      preHandler: rejectBody,
      schema: {
        ...ONE_TASK,
        operationId: 'cancelTask',
        summary: 'Stops tracking a task; what is stored of it stays. Doing so twice is no error',
        response: { 200: ok(Task), ...failures(404, 409, 415) },
      },
    },
    async ({ params, query }) => (await cancelTask(rates, tracking, { ...params, ...query })).task,
  )
}

function addTaskReads(api: Api, { rates }: ApiDeps): void {
  api.get(
    '/v1/tasks',
    {
      schema: {
        operationId: 'listTasks',
        summary: 'Tasks with their figures, latest sent first',
        querystring: strictQuery({ app, campaign, taskId: taskId.optional(), status, since, until, limit, cursor }),
        response: { 200: ok(page({ tasks: list(Task) })), ...failures() },
      },
    },
    async ({ query }) => {
      const { items, nextCursor } = await rates.tasks(query)
      return { tasks: items, nextCursor }
    },
  )
  api.get(
    '/v1/tasks/:taskId',
    {
      schema: {
        ...ONE_TASK,
        operationId: 'getTask',
        summary: 'One task: status, counts, rates',
        response: { 200: ok(Task), ...failures(404, 409) },
      },
    },
    ({ params, query }) => rates.task({ ...params, ...query }),
  )
  api.get(
    '/v1/tasks/:taskId/recipients',
    {
      schema: {
        ...ONE_TASK,
        operationId: 'listTaskRecipients',
        summary: 'Everybody in a task, by user id',
        querystring: strictQuery({ app, state, search, format }),
        response: { 200: okOrCsv(z.object({ recipients: list(Recipient) }), CSV), ...failures(404, 409) },
      },
    },
    async ({ params, query: { app: named, format: wanted, ...filter } }, reply) => {
      const task = { ...params, app: named }
      return wanted === 'csv' ? sendTaskCsv(reply, rates, task, filter) : { recipients: await rates.recipients(task, filter) }
    },
  )
  api.get(
    '/v1/tasks/:taskId/curve',
    {
      schema: {
        ...ONE_TASK,
        operationId: 'getTaskCurve',
        summary: 'How many had read by when: a point for each successful poll, and the bounds between them',
        response: { 200: ok(Curve), ...failures(404, 409) },
      },
    },
    async ({ params, query }) => {
      const task = { ...params, ...query }
      const [curve, { bounds }] = await Promise.all([rates.curve(task), rates.readTimes(task)])
      return { curve, bounds }
    },
  )
  api.get(
    '/v1/tasks/:taskId/time-to-read',
    {
      schema: {
        ...ONE_TASK,
        operationId: 'getTaskTimeToRead',
        summary: 'When people read: quantiles and shares, each with its bounds',
        response: { 200: ok(TimesToRead), ...failures(404, 409) },
      },
    },
    ({ params, query }) => rates.timeToRead({ ...params, ...query }),
  )
  api.get(
    '/v1/tasks/:taskId/forbidden',
    {
      schema: {
        ...ONE_TASK,
        operationId: 'listTaskForbidden',
        summary: "Forbidden people by DingTalk's code, most first",
        response: { 200: ok(z.object({ forbidden: list(Forbidden) })), ...failures(404, 409) },
      },
    },
    async ({ params, query }) => {
      const { forbidden } = await rates.stateDetails({ ...params, ...query })
      return { forbidden }
    },
  )
}

function addTaskHistory(api: Api, { rates }: ApiDeps): void {
  api.get(
    '/v1/tasks/:taskId/polls',
    {
      schema: {
        ...ONE_TASK,
        operationId: 'listPolls',
        summary: 'Every poll of a task, successful or failed, oldest first',
        response: { 200: ok(z.object({ polls: list(TaskPoll) })), ...failures(404, 409) },
      },
    },
    async ({ params, query }) => ({ polls: await rates.polls({ ...params, ...query }) }),
  )
  api.get(
    '/v1/tasks/:taskId/looks',
    {
      schema: {
        ...ONE_TASK,
        operationId: 'listLooks',
        summary: 'The name of /polls in 0.1.0. The next release removes it',
        deprecated: true,
        response: { 200: ok(z.object({ looks: list(TaskPoll) })), ...failures(404, 409) },
      },
    },
    async ({ params, query }) => ({ looks: await rates.polls({ ...params, ...query }) }),
  )
  api.get(
    '/v1/tasks/:taskId/people/:userId',
    {
      schema: {
        ...ONE_TASK,
        operationId: 'explainPerson',
        summary: 'One person in a task, and what each poll said about them',
        params: z.object({ taskId, userId }),
        response: { 200: ok(History), ...failures(404, 409) },
      },
    },
    ({ params, query }) => rates.explain({ taskId: params.taskId, ...query }, params.userId),
  )
  api.get(
    '/v1/tasks/:taskId/state-at',
    {
      schema: {
        ...ONE_TASK,
        operationId: 'getStateAt',
        summary: 'What was known about each person at a moment',
        querystring: strictQuery({ app, at }),
        response: { 200: ok(z.object({ at: z.date(), recipients: list(State) })), ...failures(404, 409) },
      },
    },
    async ({ params, query: { at: moment, ...ref } }) => ({ at: moment, recipients: await rates.stateAt({ ...params, ...ref }, moment) }),
  )
}
