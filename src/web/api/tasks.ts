import { z } from 'zod'
import { parseTrackRequest } from '../../intake/track-request.ts'
import { TRACK_SCHEMA } from '../../intake/track-schema.ts'
import { cancelTask, resumeTask } from '../../polling/task-commands.ts'
import {
  app,
  at,
  campaign,
  cursor,
  department,
  format,
  limit,
  search,
  since,
  state,
  status,
  strictQuery,
  taskId,
  until,
  userId,
} from './parameters.ts'
import { CSV, sendTaskCsv } from './people.ts'
import {
  type Api,
  type ApiDeps,
  assertMayFilter,
  done,
  type ErrorStatus,
  errors,
  json,
  operation,
  READ,
  ratesFor,
  rejectBody,
  WRITE,
} from './route.ts'
import { Curve, Forbidden, History, list, page, Recipient, ResumedTask, State, Task, TaskPoll, TimesToRead, Tracked } from './schemas.ts'

const ONE_TASK = { params: z.object({ taskId }), querystring: strictQuery({ app }) }

/** The schema of a route that reads one task. */
const ofTask = <Content>(operationId: string, summary: string, content: Content, ...statuses: readonly ErrorStatus[]) => ({
  ...ONE_TASK,
  ...operation(operationId, summary, content, 404, 409, ...statuses),
})

export function addTaskRoutes(api: Api, deps: ApiDeps): void {
  addTracking(api, deps)
  addTaskReads(api, deps)
  addTaskFigures(api, deps)
  addTaskHistory(api, deps)
}

function addTracking(api: Api, { rates, tracking, now, enqueuesPerSecond }: ApiDeps): void {
  api.post(
    '/v1/tasks',
    {
      config: { ...WRITE, rateLimit: { max: enqueuesPerSecond, timeWindow: 1_000 } },
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
        response: { 202: done(json(Tracked)), ...errors(403, 413, 415, 429) },
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
      config: WRITE,
      preHandler: rejectBody,
      schema: ofTask(
        'resumeTask',
        'Polls a task at once, whatever delayed it. The rate limit and the monthly call budget are not lifted',
        json(ResumedTask),
        403,
        415,
      ),
    },
    ({ params, query }) => resumeTask(rates, tracking.resuming, { ...params, ...query }),
  )
  api.post(
    '/v1/tasks/:taskId/cancel',
    {
      config: WRITE,
      preHandler: rejectBody,
      schema: ofTask('cancelTask', 'Stops tracking a task; what is stored of it stays. Doing so twice is no error', json(Task), 403, 415),
    },
    async ({ params, query }) => (await cancelTask(rates, tracking, { ...params, ...query })).task,
  )
}

function addTaskReads(api: Api, deps: ApiDeps): void {
  const { rates } = deps
  api.get(
    '/v1/tasks',
    {
      config: READ,
      schema: {
        querystring: strictQuery({ app, campaign, taskId: taskId.optional(), status, since, until, limit, cursor }),
        ...operation('listTasks', 'Tasks with their figures, latest sent first', json(page({ tasks: list(Task) }))),
      },
    },
    async ({ query }) => {
      const { items, nextCursor } = await rates.tasks(query)
      return { tasks: items, nextCursor }
    },
  )
  api.get(
    '/v1/tasks/:taskId',
    { config: READ, schema: ofTask('getTask', 'One task: status, counts, rates', json(Task)) },
    ({ params, query }) => rates.task({ ...params, ...query }),
  )
  api.get(
    '/v1/tasks/:taskId/recipients',
    {
      config: READ,
      schema: {
        ...ofTask(
          'listTaskRecipients',
          'All people of a task, by user id',
          { ...json(z.object({ recipients: list(Recipient) })), ...CSV },
          403,
        ),
        querystring: strictQuery({ app, state, search, department, format }),
      },
    },
    async (request, reply) => {
      const { app: named, format: wanted, ...filter } = request.query
      assertMayFilter(request, filter)
      const visible = ratesFor(deps, request)
      const task = { ...request.params, app: named }
      return wanted === 'csv' ? sendTaskCsv(reply, visible, task, filter) : { recipients: await visible.recipients(task, filter) }
    },
  )
}

function addTaskFigures(api: Api, { rates }: ApiDeps): void {
  api.get(
    '/v1/tasks/:taskId/curve',
    {
      config: READ,
      schema: ofTask(
        'getTaskCurve',
        'How many had read by when: a point for each successful poll, and the bounds between them',
        json(Curve),
      ),
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
      config: READ,
      schema: ofTask('getTaskTimeToRead', 'When people read: quantiles and shares, each with its bounds', json(TimesToRead)),
    },
    ({ params, query }) => rates.timeToRead({ ...params, ...query }),
  )
  api.get(
    '/v1/tasks/:taskId/forbidden',
    {
      config: READ,
      schema: ofTask(
        'listTaskForbidden',
        "Forbidden people by DingTalk's code, most first",
        json(z.object({ forbidden: list(Forbidden) })),
      ),
    },
    async ({ params, query }) => {
      const { forbidden } = await rates.stateDetails({ ...params, ...query })
      return { forbidden }
    },
  )
}

function addTaskHistory(api: Api, deps: ApiDeps): void {
  const { rates } = deps
  api.get(
    '/v1/tasks/:taskId/polls',
    {
      config: READ,
      schema: ofTask('listPolls', 'Every poll of a task, successful or failed, oldest first', json(z.object({ polls: list(TaskPoll) }))),
    },
    async ({ params, query }) => ({ polls: await rates.polls({ ...params, ...query }) }),
  )
  api.get(
    '/v1/tasks/:taskId/looks',
    {
      config: READ,
      schema: {
        ...ofTask('listLooks', 'The name of /polls in 0.1.0. The next release removes it', json(z.object({ looks: list(TaskPoll) }))),
        deprecated: true,
      },
    },
    async ({ params, query }) => ({ looks: await rates.polls({ ...params, ...query }) }),
  )
  api.get(
    '/v1/tasks/:taskId/people/:userId',
    {
      config: READ,
      schema: {
        ...ofTask('explainPerson', 'One person in a task, and what each poll said about them', json(History)),
        params: z.object({ taskId, userId }),
      },
    },
    (request) => ratesFor(deps, request).explain({ taskId: request.params.taskId, ...request.query }, request.params.userId),
  )
  api.get(
    '/v1/tasks/:taskId/state-at',
    {
      config: READ,
      schema: {
        ...ofTask('getStateAt', 'What was known about each person at a moment', json(z.object({ at: z.date(), recipients: list(State) }))),
        querystring: strictQuery({ app, at }),
      },
    },
    async ({ params, query: { at: moment, ...ref } }) => ({ at: moment, recipients: await rates.stateAt({ ...params, ...ref }, moment) }),
  )
}
