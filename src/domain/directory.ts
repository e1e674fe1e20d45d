/** From an organisation's departments and their members, as DingTalk lists them, to people with the paths of their departments. */

/** The id of the root in every organisation. Source: DingTalk's page of `department/listsub`. */
export const ROOT_DEPARTMENT = '1'

export interface Department {
  readonly id: string
  readonly name: string
  /** Null: it is the root. */
  readonly parentId: string | null
}

export interface Member {
  readonly userId: string
  readonly name: string
}

export interface DepartmentMembers {
  readonly departmentId: string
  readonly members: readonly Member[]
}

/** A person as the SQL function `delivery_put_people` takes one. Without `managerUserId` the stored one stays. */
export interface ListedPerson {
  readonly userId: string
  readonly name: string | null
  readonly departments: readonly string[]
}

/** The limits of the table `delivery_person`. */
const MAX_NAME = 200
const MAX_PATH = 500
const MAX_PATHS = 50

/** Something that the table cannot hold. Names and user ids are not in the text. */
export class DirectoryFault extends Error {
  override readonly name = 'DirectoryFault'
}

/**
 * One entry a person, in the order in which they are listed first, with each department once.
 * @param departments all that lead from the members' departments to the root; the root may be left out
 * @throws {DirectoryFault} for a path or a list of departments that is longer than the table allows
 */
export function listPeople(departments: readonly Department[], lists: readonly DepartmentMembers[]): ListedPerson[] {
  const paths = departmentPaths(departments)
  const people = new Map<string, { readonly name: string | null; readonly paths: Set<string> }>()
  for (const { departmentId, members } of lists) {
    const path = paths.get(departmentId) ?? ''
    for (const { userId, name } of members) {
      const person = people.get(userId) ?? { name: cleanName(name), paths: new Set<string>() }
      people.set(userId, person)
      if (path !== '') person.paths.add(path)
    }
  }
  const tooMany = [...people.values()].filter((person) => person.paths.size > MAX_PATHS).length
  if (tooMany > 0)
    throw new DirectoryFault(`${tooMany} ${tooMany === 1 ? 'person is' : 'people are'} in more than ${MAX_PATHS} departments.`)
  return [...people].map(([userId, person]) => ({ userId, name: person.name, departments: [...person.paths] }))
}

/**
 * The path of each department by its id, from below the root: the root's name is that of the organisation, which would begin every path.
 * @throws {DirectoryFault}
 */
export function departmentPaths(departments: readonly Department[]): Map<string, string> {
  const known = new Map(departments.map((each) => [each.id, each]))
  const paths = new Map<string, string>()
  for (const { id } of departments) {
    const path = namesFromRoot(id, known).join('/')
    if ([...path].length > MAX_PATH)
      throw new DirectoryFault(
        `The path of the department with the id ${id} is longer than ${MAX_PATH} characters. Shorten its names in DingTalk.`,
      )
    paths.set(id, path)
  }
  return paths
}

function namesFromRoot(id: string, known: ReadonlyMap<string, Department>): string[] {
  const names: string[] = []
  const seen = new Set<string>()
  for (let at = known.get(id); at !== undefined && at.id !== ROOT_DEPARTMENT && !seen.has(at.id); at = known.get(at.parentId ?? '')) {
    seen.add(at.id)
    names.unshift(toPathName(at))
  }
  return names
}

/** A slash separates the names of a path, so one inside a name becomes the full-width one, which a reader takes for the same. */
function toPathName({ id, name }: Department): string {
  const clean = onOneLine(name).replaceAll('/', '／')
  return clean === '' ? id : clean
}

/** Null: there is none. */
function cleanName(name: string): string | null {
  const clean = [...onOneLine(name)].slice(0, MAX_NAME).join('').trim()
  return clean === '' ? null : clean
}

function onOneLine(text: string): string {
  return text
    .replace(/\p{Cc}+/gu, ' ')
    .toWellFormed()
    .trim()
}
