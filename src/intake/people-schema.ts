import {
  APP_PATTERN,
  DEPARTMENT_PATTERN,
  LABEL_PATTERN,
  MAX_DEPARTMENT,
  MAX_DEPARTMENTS,
  MAX_NAME,
  MAX_USER_ID,
  USER_ID_PATTERN,
} from '../domain/field-rules.ts'
import { MAX_PEOPLE } from './people.ts'

const NOTHING = { type: 'null' } as const
const USER_ID = { type: 'string', minLength: 1, maxLength: MAX_USER_ID, pattern: USER_ID_PATTERN } as const

/**
 * What `parsePeopleRequest` accepts in JSON, as JSON Schema (2020-12). JSON Schema cannot express some rules, which only the intake applies: each
 * user id once, and lengths in UTF-16 code units.
 */
export const PEOPLE_SCHEMA = {
  type: 'object',
  additionalProperties: false,
  required: ['people'],
  properties: {
    app: {
      description: "The name of the app in the worker's configuration. Default: `default`.",
      anyOf: [{ type: 'string', pattern: APP_PATTERN }, NOTHING],
    },
    people: {
      description: 'Each person once. A field that is left out keeps what is stored; null, or an empty list, removes it.',
      type: 'array',
      minItems: 1,
      maxItems: MAX_PEOPLE,
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['userId'],
        properties: {
          userId: { description: 'As DingTalk writes it. It is no job number.', ...USER_ID },
          name: {
            description: 'Characters beyond the Basic Multilingual Plane count twice.',
            anyOf: [{ type: 'string', minLength: 1, maxLength: MAX_NAME, pattern: LABEL_PATTERN }, NOTHING],
          },
          departments: {
            description: 'Paths, highest department first, names separated by `/`.',
            anyOf: [
              {
                type: 'array',
                maxItems: MAX_DEPARTMENTS,
                items: { type: 'string', minLength: 1, maxLength: MAX_DEPARTMENT, pattern: DEPARTMENT_PATTERN },
              },
              NOTHING,
            ],
          },
          managerUserId: { description: 'The user id of the manager.', anyOf: [USER_ID, NOTHING] },
        },
      },
    },
  },
  examples: [
    {
      people: [
        { userId: '036632523163121146', name: '王芳', departments: ['总部/销售部/华北组'], managerUserId: 'manager4220' },
        { userId: 'manager4220', name: 'Li Wei', departments: ['总部/销售部', '总部/项目组'] },
      ],
    },
  ],
} as const
