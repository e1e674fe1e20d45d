import { InvalidInputError } from '../domain/errors.ts'
import { isLabel } from '../domain/field-rules.ts'
import { quote } from '../domain/quote.ts'

/** Paths of departments: names separated by `/`, highest first, such as `Headquarters/Sales/North`. */

const MAX_PATH = 500

/**
 * A department to filter by. An empty text is one: people whose department is not known.
 * @throws {InvalidInputError} naming the field: a path of another form is none, and would find no person
 */
export function parseDepartment(value: unknown, field: string): string {
  if (typeof value === 'string' && (value === '' || isPath(value))) return value
  throw new InvalidInputError(
    field,
    `${field} must be a path of department names separated by "/", highest first, such as "Headquarters/Sales" (or empty: people without a known department), not ${quote(value)}.`,
  )
}

function isPath(text: string): boolean {
  return text.split('/').every((name) => isLabel(name, MAX_PATH)) && text.length <= MAX_PATH
}

/** As the column `department` has them. */
export function joinDepartments(departments: readonly string[]): string {
  return departments.join('; ')
}

/** How many departments are above it. */
export function depthOf(department: string): number {
  return department.split('/').length - 1
}

/** The name without those above it. */
export function lastNameOf(department: string): string {
  return department.slice(department.lastIndexOf('/') + 1)
}
