import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import { addOtherMethods } from '../guard.ts'
import { SCHEMAS } from './schemas.ts'

const DOCUMENT = '/v1/openapi.json'

/** Collects every route that is added after it, and serves them as an OpenAPI document, which needs no token. */
export async function addDocument(scope: FastifyInstance, version: string, isGuarded: boolean): Promise<void> {
  for (const [name, schema] of Object.entries(SCHEMAS)) scope.addSchema({ $id: name, ...schema })
  await scope.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'dingtalk-delivery-tracker',
        version,
        description:
          'Who received and who read a DingTalk work notification. Times are ISO 8601 in UTC, ids are text, rates are between 0 and 1.',
        license: { name: 'MIT', identifier: 'MIT' },
      },
      servers: [{ url: '/' }],
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'API_TOKEN of the server.' } } },
      security: isGuarded ? [{ token: [] }] : [],
    },
    refResolver: { buildLocalReference: (json, _base, _fragment, i) => (typeof json['$id'] === 'string' ? json['$id'] : `schema-${i}`) },
    convertConstToEnum: false,
  })
  await scope.register(async (open) => {
    const refuseOthers = addOtherMethods(open)
    open.get(DOCUMENT, { schema: OWN_SCHEMA }, async () => scope.swagger())
    refuseOthers()
  })
}

const OWN_SCHEMA = {
  operationId: 'getDocument',
  summary: 'This document',
  security: [],
  response: {
    200: {
      description: 'OpenAPI 3.1.',
      type: 'object',
      required: ['openapi'],
      properties: { openapi: { type: 'string' } },
      additionalProperties: true,
    },
  },
}
