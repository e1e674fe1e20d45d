import { buildDepartmentTree, type DepartmentCounts, type DepartmentNode, listDepartments } from '../../../report/department-tree.ts'
import { type PeoplePlace, peopleLink } from '../links.ts'
import type { Page } from '../page.ts'
import { stateBar } from './bar.ts'
import { type Html, html } from './html.ts'

/** Stands in a query for people whose department is not known: no path is like that, and an empty text means no filter. */
export const UNKNOWN_DEPARTMENT = '/'

/** Departments that a page lists at most, so that its size has a bound. */
const MOST = 300

/** True where one of these people has a department that the reader may see. */
export function hasDepartments(departments: readonly DepartmentCounts[]): boolean {
  return departments.some(({ department }) => department !== null)
}

/** Rates by department, sub-departments folded. Nothing where no department is known. */
export function departmentsSection(page: Page, departments: readonly DepartmentCounts[], place: PeoplePlace): Html | null {
  if (!hasDepartments(departments)) return null
  const { directory } = page.messages
  const { roots, unknown, isCut } = buildDepartmentTree(departments, MOST)
  return html`<section id="departments" aria-labelledby="departments-title"><h2 id="departments-title">${directory.departments}</h2>
<p class="quiet">${directory.severalDepartments}</p>
${departmentLevel(page, { title: directory.departments, nodes: roots, unknown }, place)}
${isCut && html`<p class="note">${directory.cut}</p>`}</section>`
}

interface Level {
  readonly title: string
  readonly nodes: readonly DepartmentNode[]
  readonly unknown: DepartmentCounts | null
}

/** A table of departments, and below it what is below each of them. */
function departmentLevel(page: Page, { title, nodes, unknown }: Level, place: PeoplePlace): Html {
  const { directory, columns, states } = page.messages
  const { rows, folded } = openOnly(nodes)
  const top = nodes[0]?.depth ?? 0
  return html`<div class="table" role="group" aria-label="${title}" tabindex="0"><table class="departments">
<thead><tr><th scope="col">${directory.department}</th><th scope="col" class="wide">${columns.people}</th>
<th scope="col" class="figure">${columns.readOfDelivered}</th><th scope="col" class="figure">${columns.readRate}</th><th scope="col" class="figure">${states.unread}</th></tr></thead>
<tbody>${rows.map(({ department, name, depth, counts }) => row(page, { department, name, counts, indent: depth - top }, place))}
${unknown !== null && row(page, { department: UNKNOWN_DEPARTMENT, name: directory.unknownDepartment, counts: unknown, indent: 0 }, place)}</tbody></table></div>
${
  folded.length > 0 &&
  html`<div class="folded">${folded.map(
    ({ department, name, below }) =>
      html`<details data-key="below ${department}"><summary>${directory.below(name, below.length)}</summary>${departmentLevel(page, { title: department, nodes: below, unknown: null }, place)}</details>`,
  )}</div>`
}`
}

/** The rows of a level, and those of them whose sub-departments are folded. Below the only department of a level nothing is folded. */
function openOnly(nodes: readonly DepartmentNode[]): {
  readonly rows: readonly DepartmentNode[]
  readonly folded: readonly DepartmentNode[]
} {
  const [only] = nodes
  if (only === undefined || nodes.length > 1 || only.below.length === 0)
    return { rows: nodes, folded: nodes.filter(({ below }) => below.length > 0) }
  const { rows, folded } = openOnly(only.below)
  return { rows: [only, ...rows], folded }
}

interface Row extends Pick<DepartmentNode, 'department' | 'name' | 'counts'> {
  /** Levels below the highest department of the table. */
  readonly indent: number
}

function row(page: Page, { department, name, counts, indent }: Row, place: PeoplePlace): Html {
  const { messages, format } = page
  const unread = format.number(counts.unread)
  const link =
    counts.unread > 0 &&
    html`<a href="${peopleLink(place, 'unread', department)}" aria-label="${messages.directory.unreadIn(unread, name)}">${unread}</a>`
  return html`<tr data-key="${department}"><th scope="row" class="name${indent > 0 && ` indent-${Math.min(indent, MOST_INDENT)}`}">${name}</th><td class="wide">${stateBar(page, counts)}</td>
<td class="figure">${messages.outOf(format.number(counts.read), format.number(counts.delivered))}</td>
<td class="figure">${format.percent(counts.readRate)}</td><td class="figure">${link === false ? unread : link}</td></tr>`
}

/** Deeper levels are not indented more. */
const MOST_INDENT = 3

/** A choice of a department, sub-departments indented, for the form of a list of people. Nothing where no department is known. */
export function departmentSelect(page: Page, departments: readonly DepartmentCounts[], chosen: string | null): Html | null {
  if (!hasDepartments(departments)) return null
  const { directory } = page.messages
  const { roots, unknown } = buildDepartmentTree(departments, MOST)
  const nodes = listDepartments(roots)
  const isListed = chosen === null || chosen === UNKNOWN_DEPARTMENT || nodes.some(({ department }) => department === chosen)
  const option = (value: string, text: string): Html =>
    html`<option value="${value}"${value === (chosen ?? '') && html` selected`}>${text}</option>`
  const counted = (name: string, { targeted }: DepartmentCounts): string => directory.inDepartment(name, page.format.number(targeted))
  return html`<label for="people-department">${directory.department}</label>
<select id="people-department" name="department"${chosen === null && html` class="any"`}>${option('', directory.allDepartments)}
${!isListed && option(chosen, chosen)}${nodes.map(({ department, name, depth, counts }) => option(department, `${INDENT.repeat(depth)}${counted(name, counts)}`))}
${unknown !== null && option(UNKNOWN_DEPARTMENT, counted(directory.unknownDepartment, unknown))}</select>`
}

/** Spaces at the begin of an option are not shown, but for these. */
const INDENT = '\u00A0\u00A0\u00A0'

/** The figures of the people in a department. Undefined: it has none of them. @param department as in a query */
export function countsIn(departments: readonly DepartmentCounts[], department: string): DepartmentCounts | undefined {
  return departments.find((each) => (each.department ?? UNKNOWN_DEPARTMENT) === department)
}
