import type { IncomingMessage } from 'node:http'
import swagger from '@fastify/swagger'
import {
  createJsonSchemaTransform,
  createJsonSchemaTransformObject,
  serializerCompiler,
  validatorCompiler,
} from 'fastify-type-provider-zod'
import { z } from 'zod'
import { addOtherMethods } from '../guard.ts'
import { parameterError } from './parameters.ts'
import { type Api, json, OPEN } from './route.ts'

export interface DocumentOptions {
  readonly version: string
  /** Callers need a token. */
  readonly isGuarded: boolean
  /** The path before every address, as the caller of this request sees it. */
  readonly prefixOf: (request: IncomingMessage) => string
}

/** Makes the schemas of every route that is added after it work, and serves them as an OpenAPI document, which needs no token. */
export async function addDocument(api: Api, { version, isGuarded, prefixOf }: DocumentOptions): Promise<void> {
  api.setValidatorCompiler(validatorCompiler)
  api.setSerializerCompiler(serializerCompiler)
  api.setSchemaErrorFormatter(parameterError)
  await api.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'dingtalk-delivery-tracker',
        version,
        description:
          'Who received and who read a DingTalk work notification. Times are ISO 8601 in UTC, ids are text, rates are between 0 and 1.',
        license: { name: 'MIT', identifier: 'MIT' },
      },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer', description: TOKEN_DESCRIPTION } } },
      security: isGuarded ? [{ token: [] }] : [],
    },
    transform: (route) => {
      const { schema, url } = transformSchema(route)
      const { right = 'write' } = route.route.config ?? {}
      // By OpenAPI 3.1 the list of a bearer scheme has the names of the roles.
      const security = right === 'open' ? [] : [{ token: [right === 'names' ? 'read+names' : right] }]
      return { url, schema: { ...schema, ...(isGuarded && { security }) } }
    },
    transformObject: (document) => withoutInputs(withComponents(document)),
    convertConstToEnum: false,
  })
  await api.register(async (open: Api) => {
    const refuseOthers = addOtherMethods(open, 'open')
    open.get('/v1/openapi.json', { config: OPEN, schema: OWN_SCHEMA }, async ({ raw }) => ({
      ...api.swagger(),
      servers: [{ url: prefixOf(raw) || '/' }],
    }))
    refuseOthers()
  })
}

const Document = z
  .custom<ReturnType<Api['swagger']>>()
  .meta({ type: 'object', required: ['openapi'], properties: { openapi: { type: 'string' } }, additionalProperties: true })

const OWN_SCHEMA = {
  operationId: 'getDocument',
  summary: 'This document',
  response: { 200: { description: 'OpenAPI 3.1.', content: json(Document) } },
}

type Override = Parameters<typeof createJsonSchemaTransform>[0]['zodToJsonConfig']

/** Dates are sent as text. A later version may add fields, so answers are open objects. The largest safe integer is no rule of ours. */
const override: NonNullable<NonNullable<Override>['override']> = ({ zodSchema, jsonSchema }) => {
  const { def } = zodSchema._zod
  if (def.type === 'date') Object.assign(jsonSchema, { type: 'string', format: 'date-time' })
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
  if (def.type === 'object' && !('catchall' in def && def.catchall !== undefined)) delete jsonSchema.additionalProperties
}

const transformSchema = createJsonSchemaTransform({ zodToJsonConfig: { override } })

const TOKEN_DESCRIPTION =
  'A token of API_TOKEN of the server. Each operation names the role that it needs: `read`; `write`, which includes `read`; or either with `+names`, which includes the one without. A role without it gets null in the place of names and departments.'

const withComponents = createJsonSchemaTransformObject({ zodToJsonConfig: { override } })

/** The provider lists each component a second time as `…Input`, for requests; here only answers have components. */
function withoutInputs<Document extends ReturnType<typeof withComponents>>(document: Document): Document {
  const schemas = 'components' in document ? document.components?.schemas : undefined
  for (const name of Object.keys(schemas ?? {})) if (name.endsWith('Input')) delete schemas?.[name]
  return document
}
