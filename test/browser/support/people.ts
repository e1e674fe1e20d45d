import type { Company } from './company.ts'
import { SCENE, sceneUserId } from './scene.ts'

/** A person as `delivery_put_people` takes them. */
interface KnownPerson {
  readonly userId: string
  readonly name: string
  readonly departments: readonly string[]
  readonly managerUserId: string | null
}

/** One after the other works in one of them; the third in two departments. */
const PLACES: ReadonlyArray<readonly string[]> = [
  ['总部/销售部/华北'],
  ['总部/销售部/华南/深圳'],
  ['总部/研发部', '总部/销售部/华北'],
  ['总部/销售部/华北'],
  ['总部/销售部/华南/广州'],
  ['总部/研发部', '总部/销售部/华北'],
]

/** Of the company of `fillCompany`. Every fourth person has no name. */
const PEOPLE: readonly KnownPerson[] = Array.from({ length: 78 }, (_, i) => i + 1)
  .filter((no) => no % 4 !== 0)
  .map((no) => ({
    userId: `user-${String(no).padStart(3, '0')}`,
    name: `员工${no}`,
    departments: PLACES[no % PLACES.length] ?? [],
    managerUserId: no === 1 ? null : 'user-001',
  }))

export const fillPeople = (company: Company): Promise<void> => put(company, PEOPLE)

/** Every page that people with names and departments change, or that there is for them, in the company. */
export const PEOPLE_PAGES: Readonly<Record<string, string>> = {
  'overview, people known': '/',
  'everybody in a campaign, by name': '/campaigns/payroll-11?state=all',
  'a department': `/campaigns/payroll-11?department=${encodeURIComponent('总部/销售部')}`,
  'a task, by name': '/tasks/1001?state=all',
  'a person in a task, by name': '/tasks/1001/people/user-005',
  'a person over campaigns': '/people/user-005?app=default',
  'a person without a name': '/people/user-004?app=default',
  'to find a person': '/people',
  'people found': '/people?q=员工1',
  'no person found': '/people?q=nothing',
  compared: '/compare?campaign=payroll-11&campaign=fire-drill&campaign.hr=shared&campaign.it=shared',
  'to choose': '/compare?campaign=payroll-11',
}

/** Only who may see names may ask for a department. */
export const REFUSED_PAGE = '/campaigns/payroll-11?department=x'

/** In the scene: names and departments as long as they get, and one department within another, four deep. */
const SCENE_DEPARTMENTS: ReadonlyArray<readonly string[]> = [
  ['总部/销售中心/华东大区/上海第一分公司'],
  ['总部/销售中心/华东大区/杭州分公司'],
  ['总部/销售中心/华南大区'],
  ['总部/研发中心/平台与基础设施研发部', '总部/销售中心/华南大区'],
  ['Headquarters/International Operations and Customer Success'],
]
const SURNAMES = '王李张刘陈杨赵'

/** Those who are not in it have no name. */
const SCENE_PEOPLE: readonly KnownPerson[] = Array.from({ length: 52 }, (_, i) => ({
  userId: sceneUserId(i + 1),
  name: i === 11 ? 'Wilhelmina-Konstantina Featherstonehaugh-Wrottesley' : `${SURNAMES[i % SURNAMES.length]}晓雨`,
  departments: SCENE_DEPARTMENTS[i % SCENE_DEPARTMENTS.length] ?? [],
  managerUserId: i === 0 ? null : sceneUserId(1),
}))

export const fillScenePeople = (company: Company): Promise<void> => put(company, SCENE_PEOPLE)

export const SCENE_PEOPLE_PAGES: Readonly<Record<string, string>> = {
  departments: `/campaigns/${encodeURIComponent(SCENE.payslips)}?state=all`,
  'everything-sent': `/people/${sceneUserId(12)}?app=default`,
  found: `/people?q=${encodeURIComponent('晓雨')}`,
  compared: `/compare?${[SCENE.payslips, SCENE.drill, SCENE.long].map((name) => `campaign=${encodeURIComponent(name)}`).join('&')}`,
}

async function put(company: Company, people: readonly KnownPerson[]): Promise<void> {
  await company.sql('SELECT delivery_put_people($1::jsonb)', [JSON.stringify(people)])
}
