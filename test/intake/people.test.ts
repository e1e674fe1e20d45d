import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { InvalidInputError } from '../../src/domain/errors.ts'
import { MAX_DEPARTMENT, MAX_NAME, MAX_USER_ID } from '../../src/domain/field-rules.ts'
import { parsePeopleRequest } from '../../src/intake/people.ts'
import { PEOPLE_SCHEMA } from '../../src/intake/people-schema.ts'
import { holds } from '../domain/support.ts'

const isSchemaContent = new Ajv2020().compile(PEOPLE_SCHEMA)

/** The reason of a refusal; null: it is taken. */
function refusalOf(input: unknown): InvalidInputError | null {
  try {
    parsePeopleRequest(input)
    return null
  } catch (error) {
    expect(error).toBeInstanceOf(InvalidInputError)
    return error instanceof InvalidInputError ? error : null
  }
}

const letters = fc.constantFrom('a', '0', '王', '😀', ' ', '/', '\n', '\u0000', '\u0085', '\ud800', ',', '"', '-', ';')
const text = fc.oneof(
  fc.array(letters, { maxLength: 6 }).map((each) => each.join('')),
  fc.constantFrom('A/B', '总部/销售部', 'x'.repeat(MAX_USER_ID), 'x'.repeat(MAX_NAME), 'x'.repeat(MAX_DEPARTMENT + 1)),
)
const value = fc.oneof(text, fc.constantFrom(null, 7, true, {}, []))
const person = fc.record(
  {
    userId: fc.oneof(fc.constantFrom('ann', 'bob'), value),
    name: value,
    departments: fc.oneof(fc.array(value, { maxLength: 3 }), value),
    managerUserId: value,
    more: value,
  },
  { requiredKeys: [] },
)

/** JSON Schema counts characters, and does not know that two people are one. */
function isBeyondSchema(input: { readonly people: ReadonlyArray<Readonly<Record<string, unknown>>> }): boolean {
  const ids = input.people.map(({ userId }) => userId)
  return new Set(ids).size < ids.length
}

test('the schema and the check take the same', () => {
  holds(
    fc.property(fc.record({ people: fc.array(person, { minLength: 1, maxLength: 2 }) }), (input) => {
      if (isBeyondSchema(input)) return
      expect([input, refusalOf(input) === null]).toEqual([input, isSchemaContent(input)])
    }),
  )
})

test('no message has a name or a department in it, and each names the field', () => {
  holds(
    fc.property(text, text, (name, department) => {
      const secret = 'Wang-Fang-zq'
      const refusal = refusalOf({ people: [{ userId: 'ann', name: `${secret}${name}`, departments: [`${department}${secret}`] }] })
      if (refusal === null) return
      expect(refusal.message).not.toContain(secret)
      expect(refusal.field).toMatch(/^people\[0\]\.(name|departments\[0\])$/)
      expect(refusal.message.startsWith(refusal.field)).toBe(true)
    }),
  )
})

test('the example of the schema is taken', () => {
  for (const example of PEOPLE_SCHEMA.examples) expect(parsePeopleRequest(example)).toEqual({ app: 'default', ...example })
})
