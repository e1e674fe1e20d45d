import type { StateKind } from '../domain/delivery.ts'
import { rateOf } from './rate.ts'
import type { RateColumns, RecipientStatus } from './rates.ts'

/** The people of one department and those below it; null: people whose department is not known. */
export interface DepartmentCounts extends RateColumns {
  /** A path, highest department first, its names separated by `/`. */
  readonly department: string | null
}

export interface DepartmentNode {
  /** A path such as `Headquarters/Sales`. */
  readonly department: string
  /** What the path has more than that of the node above; of a root the whole path. */
  readonly name: string
  /** 0 for a root. */
  readonly depth: number
  readonly counts: DepartmentCounts
  readonly below: readonly DepartmentNode[]
}

export interface DepartmentTree {
  readonly roots: readonly DepartmentNode[]
  /** People whose department is not known; null: there are none. */
  readonly unknown: DepartmentCounts | null
  /** The deepest levels were left out, see {@link buildDepartmentTree}. */
  readonly isCut: boolean
}

type Row = DepartmentCounts & { readonly department: string }

/**
 * @param rows one for each department, in the order of a list
 * @param most departments of the tree: where there are more, whole levels are left out, deepest first, but never the roots
 */
export function buildDepartmentTree(rows: readonly DepartmentCounts[], most = Infinity): DepartmentTree {
  const known = rows.filter((row): row is Row => row.department !== null)
  const paths = new Set(known.map(({ department }) => department))
  const below = new Map<string | null, Row[]>()
  for (const row of known) {
    const parent = ancestors(row.department).findLast((path) => paths.has(path)) ?? null
    below.set(parent, [...(below.get(parent) ?? []), row])
  }
  const levels = listLevels(below.get(null) ?? [], below)
  const sizes = levels.map((_, i) => levels.slice(0, i + 1).flat().length)
  const depth = Math.max(
    0,
    sizes.findLastIndex((size) => size <= most),
  )
  return {
    roots: buildNodes(null, below, depth),
    unknown: rows.find(({ department }) => department === null) ?? null,
    isCut: depth < levels.length - 1,
  }
}

type Below = ReadonlyMap<string | null, readonly Row[]>

function listLevels(level: readonly Row[], below: Below): ReadonlyArray<readonly Row[]> {
  return level.length === 0
    ? []
    : [
        level,
        ...listLevels(
          level.flatMap(({ department }) => below.get(department) ?? []),
          below,
        ),
      ]
}

function buildNodes(parent: string | null, below: Below, levels: number, depth = 0): DepartmentNode[] {
  return (below.get(parent) ?? []).map((counts) => ({
    ...{ department: counts.department, depth, counts },
    name: parent === null ? counts.department : counts.department.slice(parent.length + 1),
    below: depth < levels ? buildNodes(counts.department, below, levels, depth + 1) : [],
  }))
}

/** The nodes of a tree as one list, each before those below it. */
export function listDepartments(nodes: readonly DepartmentNode[]): DepartmentNode[] {
  return nodes.flatMap((node) => [node, ...listDepartments(node.below)])
}

/** The departments above one, highest first. */
function ancestors(department: string): string[] {
  const names = department.split('/')
  return names.slice(1).map((_, i) => names.slice(0, i + 1).join('/'))
}

/** People of one task by department, in the order of the paths; people whose department is not known come last. */
export function countDepartments(people: readonly RecipientStatus[]): DepartmentCounts[] {
  const states = new Map<string, StateKind[]>()
  for (const { department, state } of people)
    for (const each of memberOf(department)) states.set(each, [...(states.get(each) ?? []), state])
  const unknown = people.filter(({ department }) => department === null).map(({ state }) => state)
  const known = Array.from(states)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([department, each]) => countStates(department, each))
  return unknown.length === 0 ? known : [...known, countStates(null, unknown)]
}

/** Every department that a person is in, those above their own included. */
function memberOf(department: string | null): ReadonlySet<string> {
  return new Set((department?.split('; ') ?? []).flatMap((path) => [...ancestors(path), path]))
}

function countStates(department: string | null, states: readonly StateKind[]): DepartmentCounts {
  const of = (wanted: StateKind): number => states.filter((state) => state === wanted).length
  const [read, unread, targeted] = [of('read'), of('unread'), states.length]
  const delivered = read + unread
  return {
    ...{ department, targeted, delivered, read, unread },
    ...{ pending: of('pending'), failed: of('failed'), forbidden: of('forbidden'), invalid: of('invalid') },
    ...{ readRate: rateOf(read, delivered), readRateOfTargeted: rateOf(read, targeted) },
  }
}
