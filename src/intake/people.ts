import { InvalidInputError } from '../domain/errors.ts'
import { isDepartment, isLabel, MAX_DEPARTMENT, MAX_DEPARTMENTS, MAX_NAME } from '../domain/field-rules.ts'
import { describeKind, quote } from '../domain/quote.ts'
import { parseApp, parseRecipient } from './track-request.ts'

/** People in one request. */
export const MAX_PEOPLE = 1_000

/** What is known of a person, checked. A field that is left out keeps what is stored; null, or an empty list, removes it. */
export interface PersonRecord {
  readonly userId: string
  readonly name?: string | null
  /** Paths, highest department first: `Headquarters/Sales/North`. */
  readonly departments?: readonly string[]
  readonly managerUserId?: string | null
}

/** People of one app. */
export interface PeopleRequest {
  readonly app: string
  readonly people: readonly PersonRecord[]
}

const PERSON_FIELDS = ['userId', 'name', 'departments', 'managerUserId'] as const

/**
 * Checks a request to store people. No message has a name or a department: messages reach logs.
 * @throws {InvalidInputError} naming the field, as in `people[3].name`
 */
export function parsePeopleRequest(input: unknown): PeopleRequest {
  const fields = parseFields('body', input, ['app', 'people'], 'A request to store people must be an object with "people"')
  const list = fields.get('people')
  if (!Array.isArray(list))
    throw new InvalidInputError('people', `people must be a list of objects with at least "userId", not ${describeKind(list)}.`)
  if (list.length === 0) throw new InvalidInputError('people', 'people is empty. Give at least one person.')
  if (list.length > MAX_PEOPLE) {
    throw new InvalidInputError(
      'people',
      `people has ${list.length} items, and ${MAX_PEOPLE} are the most in one request. Send several requests.`,
    )
  }
  const people = list.map((item: unknown, i) => parsePerson(`people[${i}]`, item))
  assertDifferent(people)
  return { app: parseApp(fields.get('app')), people }
}

function assertDifferent(people: readonly PersonRecord[]): void {
  const places = new Map<string, number>()
  for (const [i, { userId }] of people.entries()) {
    const before = places.get(userId)
    if (before !== undefined) {
      const field = `people[${i}].userId`
      throw new InvalidInputError(
        field,
        `${field} is the same as people[${before}].userId. Give each person once, with all departments in one list.`,
      )
    }
    places.set(userId, i)
  }
}

/**
 * @param field where the person stands, as in `people[3]`
 * @throws {InvalidInputError}
 */
export function parsePerson(field: string, input: unknown): PersonRecord {
  const fields = parseFields(field, input, PERSON_FIELDS, `${field} must be an object with at least "userId"`)
  const has = (name: (typeof PERSON_FIELDS)[number]): boolean => fields.get(name) !== undefined
  return {
    userId: parseRecipient(`${field}.userId`, fields.get('userId')),
    ...(has('name') && { name: parseName(`${field}.name`, fields.get('name')) }),
    ...(has('departments') && { departments: parseDepartments(`${field}.departments`, fields.get('departments')) }),
    ...(has('managerUserId') && { managerUserId: parseManager(`${field}.managerUserId`, fields.get('managerUserId')) }),
  }
}

function parseFields(field: string, input: unknown, accepted: readonly string[], what: string): ReadonlyMap<string, unknown> {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw new InvalidInputError(field, `${what}, not ${describeKind(input)}.`)
  }
  const fields = new Map<string, unknown>(Object.entries(input))
  for (const name of fields.keys()) {
    if (accepted.includes(name)) continue
    const path = field === 'body' ? name : `${field}.${name}`
    throw new InvalidInputError(
      path,
      `Unknown field ${quote(name)}${field === 'body' ? '' : ` of ${field}`}. Accepted: ${accepted.join(', ')}.`,
    )
  }
  return fields
}

function parseName(field: string, value: unknown): string | null {
  if (value === null) return null
  const fault = nameFault(value)
  if (fault === null && typeof value === 'string') return value
  throw new InvalidInputError(field, `${field} ${fault}. Give null to remove a name, or leave it out to keep what is stored.`)
}

function parseDepartments(field: string, value: unknown): readonly string[] {
  if (value === null) return []
  if (!Array.isArray(value)) throw new InvalidInputError(field, `${field} must be a list of paths, not ${describeKind(value)}.`)
  const paths = value.map((item: unknown, i) => parseDepartment(`${field}[${i}]`, item))
  const different = [...new Set(paths)]
  if (different.length <= MAX_DEPARTMENTS) return different
  throw new InvalidInputError(field, `${field} has ${different.length} departments, and ${MAX_DEPARTMENTS} are the most.`)
}

function parseDepartment(field: string, value: unknown): string {
  const fault = departmentFault(value)
  if (fault === null && typeof value === 'string') return value
  throw new InvalidInputError(field, `${field} ${fault}. Give the path of a department, highest first, such as "Headquarters/Sales".`)
}

function parseManager(field: string, value: unknown): string | null {
  return value === null ? null : parseRecipient(field, value)
}

/** What is wrong with a name, as the end of a sentence, without the name; null: nothing. */
export function nameFault(value: unknown): string | null {
  return textFault(value, MAX_NAME, (text) => isLabel(text, MAX_NAME))
}

/** What is wrong with the path of a department, as the end of a sentence, without the path; null: nothing. */
export function departmentFault(value: unknown): string | null {
  if (typeof value === 'string' && value !== '' && value.split('/').includes('')) return 'has a department without a name, beside a "/"'
  return textFault(value, MAX_DEPARTMENT, isDepartment)
}

function textFault(value: unknown, longest: number, isValid: (text: string) => boolean): string | null {
  if (typeof value !== 'string') return `must be a string, not ${describeKind(value)}`
  if (value === '') return 'is empty'
  if (value.length > longest) return `has ${value.length} characters, and ${longest} are the most`
  if (isValid(value)) return null
  return /[\p{Cc}\p{Cs}]/u.test(value)
    ? 'has a line break or another character that is no text'
    : 'has a space at the beginning or end of a name'
}
