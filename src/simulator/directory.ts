import { z } from 'zod'
import { type Answer, plainError, success } from './answer.ts'
import { chance, hash53 } from './chance.ts'
import { type ApiCall, type ContactEndpoint, textField } from './request.ts'

/** The id of the department that every organisation has. Source: DingTalk's page of `department/listsub`. */
export const ROOT_ID = 1

export interface SimulatedDepartment {
  readonly deptId: number
  readonly name: string
  /** Null: of the root. */
  readonly parentId: number | null
}

export interface SimulatedMember {
  readonly userId: string
  readonly name: string
  /** Of every department that the person belongs to, as DingTalk lists a person. */
  readonly deptIds: readonly number[]
}

/** Who works where: the answers of the contact API. */
export interface Directory {
  readonly departments: readonly SimulatedDepartment[]
  readonly people: readonly SimulatedMember[]
}

const deptId = z.int().positive()
const text = z.string().min(1).max(500)

const GIVEN = z.strictObject({
  departments: z.array(z.strictObject({ deptId, name: text, parentId: deptId.default(ROOT_ID) })).default([]),
  people: z.array(z.strictObject({ userId: text, name: text, deptIds: z.array(deptId).min(1).default([ROOT_ID]) })).default([]),
})

/** Drawn from the seed, or as a test gives it. */
export const DIRECTORY = z
  .union([z.strictObject({ people: z.int().min(0).max(200_000) }), GIVEN], {
    error: 'expected { people: 3000 }, or { departments: [{ deptId, name, parentId }], people: [{ userId, name, deptIds }] }',
  })
  .superRefine((given, context) => {
    if (typeof given.people === 'number') return
    const fault = findFault(GIVEN.parse(given))
    if (fault !== undefined) context.addIssue({ code: 'custom', message: fault })
  })
export type DirectorySetting = z.output<typeof DIRECTORY>

function findFault({ departments, people }: z.output<typeof GIVEN>): string | undefined {
  const ids = departments.map(({ deptId: id }) => id)
  const known = new Set([ROOT_ID, ...ids])
  if (known.size !== ids.length + 1) return 'expected each deptId once, and 1 not at all: that is the root, which is always there'
  // A department whose way up does not end at the root would never be listed.
  const parents = new Map(departments.map((each) => [each.deptId, each.parentId]))
  const lost = ids.find((id) => !reachesRoot(id, parents))
  if (lost !== undefined) return `expected a parentId that leads to the root (1); that of department ${lost} does not`
  if (new Set(people.map(({ userId }) => userId)).size !== people.length) return 'expected each userId once, with all deptIds in one list'
  const stranger = people.flatMap(({ deptIds }) => deptIds).find((id) => !known.has(id))
  return stranger === undefined ? undefined : `expected deptIds of given departments; there is no department ${stranger}`
}

function reachesRoot(id: number, parents: ReadonlyMap<number, number>): boolean {
  const seen = new Set<number>()
  for (let at = id; at !== ROOT_ID; at = parents.get(at) ?? Number.NaN) {
    if (seen.has(at) || Number.isNaN(at)) return false
    seen.add(at)
  }
  return true
}

export function createDirectory(setting: DirectorySetting, seed: number): Directory {
  const { departments, people } = typeof setting.people === 'number' ? drawDirectory(setting.people, seed) : GIVEN.parse(setting)
  return { departments: [{ deptId: ROOT_ID, name: ORGANISATION, parentId: null }, ...departments], people }
}

const ORGANISATION = '示例科技有限公司'
const FIRST_DEPT_ID = 871_000_001

/**
 * Twelve departments below the root, three levels, in the languages that an organisation mixes; one name has the character that separates the names
 * of a path. The share is that of the people: unequal, as in a company.
 */
const DEPARTMENTS: ReadonlyArray<readonly [name: string, parent: string | null, share: number]> = [
  ['销售部', null, 2],
  ['华东大区', '销售部', 14],
  ['华北大区', '销售部', 12],
  ['Overseas/APAC', '销售部', 6],
  ['研发中心', null, 2],
  ['平台组', '研发中心', 11],
  ['Client Apps', '研发中心', 9],
  ['生产部', null, 3],
  ['一车间', '生产部', 15],
  ['夜班', '一车间', 10],
  ['人力资源部', null, 4],
  ['Finance & Legal', null, 5],
]

const SURNAMES = '王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗'.split('')
const GIVEN_NAMES = [
  '伟',
  '芳',
  '娜',
  '秀英',
  '敏',
  '静',
  '丽',
  '强',
  '磊',
  '军',
  '洋',
  '勇',
  '艳',
  '杰',
  '娟',
  '涛',
  '明',
  '超',
  '秀兰',
  '霞',
]
const ENGLISH = ['Ann', 'Ben', 'Carla', 'Dan', 'Erin', 'Fred', 'Grace', 'Hugo', 'Iris', 'Jack']
const ENGLISH_SURNAMES = ['Archer', 'Brown', 'Clark', "O'Neil", 'Evans', 'Ford', 'Grant', 'Hill', 'Irwin', 'Jones']

const TWO_DEPARTMENTS_SHARE = 0.05
const ROOT_SHARE = 0.01
const ENGLISH_SHARE = 0.2
/** Ids in the form of the first members of an organisation; all others are long, and mostly begin with 0. */
const SHORT_ID_SHARE = 0.1

function drawDirectory(people: number, seed: number) {
  const idOf = new Map(DEPARTMENTS.map(([name], i) => [name, FIRST_DEPT_ID + i]))
  const departments = DEPARTMENTS.map(([name, parent], i) => ({
    deptId: FIRST_DEPT_ID + i,
    name,
    parentId: idOf.get(parent ?? '') ?? ROOT_ID,
  }))
  return { departments, people: Array.from({ length: people }, (_, i) => drawMember(seed, i)) }
}

function drawMember(seed: number, index: number): SimulatedMember {
  const draw = (what: string): number => chance(seed, 'member', index, what)
  const pick = (what: string, list: readonly string[]): string => list[Math.floor(draw(what) * list.length)] ?? ''
  const name =
    draw('language') < ENGLISH_SHARE
      ? `${pick('given', ENGLISH)} ${pick('surname', ENGLISH_SURNAMES)}`
      : `${pick('surname', SURNAMES)}${pick('given', GIVEN_NAMES)}`
  const first = draw('root') < ROOT_SHARE ? ROOT_ID : drawDepartment(draw('department'))
  const second = draw('two') < TWO_DEPARTMENTS_SHARE ? drawDepartment(draw('second')) : first
  return { userId: drawUserId(seed, index, draw('id')), name, deptIds: [...new Set([first, second])] }
}

function drawDepartment(draw: number): number {
  let left = draw * DEPARTMENTS.reduce((sum, [, , share]) => sum + share, 0)
  const index = DEPARTMENTS.findIndex(([, , share]) => (left -= share) < 0)
  return FIRST_DEPT_ID + Math.max(0, index)
}

/** The index is in each id, so that no two people have the same. */
function drawUserId(seed: number, index: number, draw: number): string {
  const serial = String(index).padStart(6, '0')
  if (draw < SHORT_ID_SHARE) return `manager${serial}`
  const start = draw < 0.8 ? '0' : ''
  return `${start}${String(hash53(`user ${index}`, seed)).slice(0, 11)}${serial}`
}

/** DingTalk's own limit of a page. Source: its page of `user/listsimple`. */
const MAX_PAGE = 100

/** The answer of the contact API to a call that the gateway let pass. Codes: 60003 is on DingTalk's page of `user/listid`; those of a wrong page are not documented. */
export function answerContacts(directory: Directory, call: ApiCall, endpoint: ContactEndpoint): Answer {
  const isDepartmentCall = endpoint === 'department/listsub'
  const given = textField(call.fields, 'dept_id') ?? (isDepartmentCall ? String(ROOT_ID) : undefined)
  if (given === undefined) return plainError('40', 'Missing required arguments:dept_id')
  const department = directory.departments.find(({ deptId: id }) => String(id) === given)
  if (department === undefined) return plainError('60003')
  switch (endpoint) {
    case 'department/listsub':
      return success({ result: directory.departments.filter(({ parentId }) => parentId === department.deptId).map(toListed) })
    case 'department/get':
      return success({ result: { ...toListed(department), order: 1, hide_dept: false, org_dept_owner: '' } })
    case 'user/list':
    case 'user/listsimple':
      return listMembers(directory, call, department.deptId, endpoint)
    default:
      return endpoint satisfies never
  }
}

/** The root has no parent. */
function toListed({ deptId: id, name, parentId }: SimulatedDepartment): Readonly<Record<string, unknown>> {
  return { dept_id: id, name, ...(parentId !== null && { parent_id: parentId }), auto_add_user: true, create_dept_group: true }
}

function listMembers({ people }: Directory, { fields }: ApiCall, department: number, endpoint: 'user/list' | 'user/listsimple'): Answer {
  const missing = ['cursor', 'size'].find((name) => textField(fields, name) === undefined)
  if (missing !== undefined) return plainError('40', `Missing required arguments:${missing}`)
  const [cursor, size] = [Number(textField(fields, 'cursor')), Number(textField(fields, 'size'))]
  if (!Number.isSafeInteger(cursor) || cursor < 0) return plainError('400002', '无效的参数: cursor')
  if (!Number.isSafeInteger(size) || size < 1 || size > MAX_PAGE) return plainError('400002', '无效的参数: size')
  const members = people.filter(({ deptIds }) => deptIds.includes(department))
  const end = cursor + size
  const list = members.slice(cursor, end).map(endpoint === 'user/list' ? toDetailed : toSimple)
  const hasMore = end < members.length
  return success({ result: { has_more: hasMore, ...(hasMore && { next_cursor: end }), list } })
}

function toSimple({ userId, name }: SimulatedMember) {
  return { userid: userId, name }
}

function toDetailed({ userId, name, deptIds }: SimulatedMember) {
  return { userid: userId, name, dept_id_list: deptIds, active: true, admin: false, boss: false, leader: false, hide_mobile: false }
}

/** The people of a department and of those below it, as a send to the department reaches them. */
export function membersBelow({ departments, people }: Directory, deptIds: readonly number[]): string[] {
  const wanted = new Set(deptIds)
  for (let before = -1; before !== wanted.size; ) {
    before = wanted.size
    for (const { deptId: id, parentId } of departments) if (parentId !== null && wanted.has(parentId)) wanted.add(id)
  }
  return people.filter((person) => person.deptIds.some((id) => wanted.has(id))).map(({ userId }) => userId)
}
