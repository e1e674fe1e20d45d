/** The organisation of the HR day: 3,000 people in 12 departments below three divisions, some of them in two departments. */

export interface StaffMember {
  readonly userId: string
  readonly name: string
  readonly departments: readonly string[]
}

const SURNAMES = '王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗'.split('')
const GIVEN = ['伟', '芳', '娜', '敏', '静', '丽', '强', '磊', '军', '洋', '勇', '艳', '杰', '娟', '涛', '明', '超', '秀英', '建国', '晓雨']

export const DEPARTMENTS: readonly string[] = [
  ...['销售中心/华东区', '销售中心/华南区', '销售中心/华北区', '销售中心/大客户部'],
  ...['研发中心/平台部', '研发中心/移动端', '研发中心/测试部', '研发中心/数据部'],
  ...['职能中心/人力资源部', '职能中心/财务部', '职能中心/行政部', '职能中心/法务部'],
]

/** 18 digits with a leading zero: a spreadsheet that takes such an id for a number destroys it. */
function userIdOf(i: number): string {
  return `0366325231631${String(i).padStart(5, '0')}`
}

export function hireStaff(count: number): StaffMember[] {
  return Array.from({ length: count }, (_, i) => ({
    userId: userIdOf(i),
    name: `${SURNAMES[i % SURNAMES.length]}${GIVEN[Math.floor(i / SURNAMES.length) % GIVEN.length]}`,
    departments: departmentsOf(i),
  }))
}

/** Each fortieth person is in two. */
function departmentsOf(i: number): string[] {
  const own = DEPARTMENTS[i % DEPARTMENTS.length] ?? ''
  const other = DEPARTMENTS[(i + 5) % DEPARTMENTS.length] ?? ''
  return i % 40 === 7 ? [own, other] : [own]
}

/** As a spreadsheet in China saves it: with a byte order mark, headers in Chinese. */
export function staffCsv(staff: readonly StaffMember[]): string {
  const lines = staff.map(({ userId, name, departments }) => `${userId},${name},${departments.join(';')}`)
  return `\uFEFF员工UserID,姓名,部门\r\n${lines.join('\r\n')}\r\n`
}

/** Every department with the ones above it, as a person counts in each. */
export function countedIn({ departments }: StaffMember): Set<string> {
  return new Set(
    departments.flatMap((path) => {
      const parts = path.split('/')
      return parts.map((_, i) => parts.slice(0, i + 1).join('/'))
    }),
  )
}
