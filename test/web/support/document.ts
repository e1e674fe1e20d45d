import { Ajv2020 } from 'ajv/dist/2020.js'
import { z } from 'zod'
import { type Answer, post } from './ask.ts'

const Parameter = z.object({
  name: z.string(),
  in: z.enum(['query', 'path']),
  required: z.boolean().default(false),
  description: z.string(),
  schema: z.record(z.string(), z.unknown()),
})

const Document = z.object({
  openapi: z.string(),
  paths: z.record(
    z.string(),
    z.partialRecord(
      z.enum(['get', 'post', 'put']),
      z
        .object({
          operationId: z.string(),
          summary: z.string(),
          parameters: z.array(Parameter).default([]),
          requestBody: z.unknown().optional(),
          responses: z.record(z.string(), z.object({ description: z.string(), content: z.record(z.string(), z.unknown()) })),
        })
        .optional(),
    ),
  ),
})

export interface Operation {
  readonly id: string
  readonly method: 'GET' | 'POST' | 'PUT'
  /** As the document has it: `/v1/tasks/{taskId}`. */
  readonly path: string
  readonly hasBody: boolean
  readonly parameters: ReadonlyArray<z.output<typeof Parameter>>
  readonly statuses: readonly number[]
}

export interface Api {
  readonly operations: readonly Operation[]
  /** What the document says against an answer; empty where it agrees. A field that it does not have is a fault. */
  faultsOf(operation: Operation, answer: Answer): string[]
}

export function apiOf(document: unknown): Api {
  const { paths } = Document.parse(document)
  const ajv = new Ajv2020({ strict: false, allErrors: true })
  ajv.addFormat('date-time', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  ajv.addSchema(closed(document) as object, 'document')
  return {
    operations: Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).flatMap(([method, operation]) =>
        operation === undefined
          ? []
          : [
              {
                id: operation.operationId,
                method: toMethod(method),
                path,
                hasBody: operation.requestBody !== undefined,
                parameters: operation.parameters,
                statuses: Object.keys(operation.responses).map(Number),
              },
            ],
      ),
    ),
    faultsOf({ path, method }, { status, type, text, body }) {
      const [mediaType = ''] = type.split(';')
      const pointer = ['paths', path, method.toLowerCase(), 'responses', String(status), 'content', mediaType, 'schema']
      const validate = ajv.getSchema(`document#/${pointer.map(tokenOf).join('/')}`)
      if (validate === undefined) return [`the document has no ${mediaType} for ${status}`]
      return validate(mediaType === 'application/json' ? body : text) === true ? [] : [ajv.errorsText(validate.errors)]
    },
  }
}

function toMethod(name: string): Operation['method'] {
  return name === 'get' ? 'GET' : name === 'put' ? 'PUT' : 'POST'
}

/** Bodies that are accepted; any other operation with a body tracks a task. */
const BODIES: Readonly<Record<string, object>> = { putPeople: { people: [{ userId: 'ann', name: 'Ann' }] } }

/** A request of this operation, with a body where it takes one. */
export function requestOf({ id, method, hasBody }: Operation, headers: Readonly<Record<string, string>>): RequestInit {
  return hasBody ? { ...post(BODIES[id] ?? { taskId: '11', userIds: ['ann'] }, headers), method } : { method, headers }
}

function tokenOf(name: string): string {
  return encodeURIComponent(name.replaceAll('~', '~0').replaceAll('/', '~1'))
}

/** A copy in which no object has fields besides those that are named, unless it says so. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed)
  if (typeof schema !== 'object' || schema === null) return schema
  const copy = Object.fromEntries(Object.entries(schema).map(([name, value]) => [name, closed(value)]))
  return 'properties' in copy && copy['type'] === 'object' ? { additionalProperties: false, ...copy } : copy
}
