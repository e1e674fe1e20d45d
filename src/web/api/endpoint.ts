import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema, RouteOptions } from 'fastify'
import { app, assertDecodable, campaign, type Parameter, type Parameters, type Parsed, parseQuery, taskId, userId } from './parameters.ts'
import { ref, type Schema } from './schemas.ts'

/** Names in paths, and what they hold. */
const IN_PATH: Readonly<Record<string, Parameter<string>>> = {
  taskId,
  name: campaign,
  userId,
  app: { ...app, schema: { ...app.schema, description: 'The name of an app.' } },
}

export interface Asked<Query extends Parameters> {
  readonly query: Partial<Parsed<Query>>
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  /** A checked part of the path. */
  param(name: 'taskId' | 'name' | 'userId' | 'app'): string
}

/** One route: everything that the document says of it, and what answers. */
export interface Endpoint<Query extends Parameters> {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly id: string
  readonly summary: string
  readonly query: Query
  /** Parameters that must be there. */
  readonly required?: ReadonlyArray<keyof Query & string>
  readonly body?: Schema
  readonly answer: Schema
  /** Default: 200. */
  readonly status?: 200 | 202
  /** It answers with a file where `format=csv`. */
  readonly csv?: true
  /** Statuses of errors besides those that every route has. */
  readonly failures: ReadonlyArray<404 | 409 | 413 | 415 | 429>
  readonly config?: RouteOptions['config']
  readonly handle: (asked: Asked<Query>) => Promise<unknown>
}

const FAILURES: Readonly<Record<number, string>> = {
  400: 'A value is wrong; the message names it and says what is accepted.',
  401: 'The token is missing or wrong.',
  404: 'There is nothing of this name.',
  409: 'It cannot be said which one is meant (`SEVERAL_APPS`), or it has ended (`TASK_ENDED`).',
  413: 'The body is too large.',
  415: 'The body is not JSON.',
  429: 'Too many requests; see retry-after.',
  503: 'The database does not answer; see retry-after.',
}

export function addEndpoint<Query extends Parameters>(scope: FastifyInstance, endpoint: Endpoint<Query>): void {
  const { method, path, query, config = {}, handle } = endpoint
  scope.route({
    method,
    url: path,
    config,
    schema: documentOf(endpoint),
    handler: async (request, reply) => {
      assertDecodable(request.url)
      void reply.status(endpoint.status ?? 200)
      return handle({ query: parseQuery(request.query, query), request, reply, param: (name) => partOf(request.params, name) })
    },
  })
}

function partOf(params: unknown, name: string): string {
  const text: unknown = Reflect.get(Object(params), name)
  const parameter = IN_PATH[name]
  if (typeof text !== 'string' || parameter === undefined) throw new Error(`no route has a part named ${name}`)
  return parameter.parse(text, name)
}

function documentOf<Query extends Parameters>(endpoint: Endpoint<Query>): FastifySchema {
  const { id, summary, path, query, required = [], body, answer, status = 200, csv, failures } = endpoint
  const names = [...path.matchAll(/:(\w+)/g)].map(([, name = '']) => name)
  const ok = csv
    ? { description: 'Done.', content: { 'application/json': { schema: answer }, 'text/csv': { schema: { type: 'string' } } } }
    : { description: 'Done.', ...answer }
  return {
    operationId: id,
    summary,
    ...(names.length > 0 && { params: { type: 'object', required: names, properties: schemasOf(IN_PATH, names) } }),
    ...(Object.keys(query).length > 0 && {
      querystring: { type: 'object', required, properties: schemasOf(query, Object.keys(query)) },
    }),
    ...(body && { body }),
    response: {
      [status]: ok,
      ...Object.fromEntries(
        [400, 401, ...failures, 503].map((code) => [code, { description: FAILURES[code] ?? 'An error.', ...ref('Error') }]),
      ),
    },
  }
}

function schemasOf(parameters: Parameters, names: readonly string[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(names.map((name) => [name, parameters[name]?.schema]))
}
