import { expect, test } from 'vitest'
import {
  CAMPAIGN_FIELDS,
  DEPARTMENT_FIELDS,
  directoryCsv,
  peopleCsv,
  peopleCsvHead,
  peopleCsvRows,
  personTasksCsv,
  rowsCsv,
  TASK_FIELDS,
  toSqlName,
} from '../../src/report/columns.ts'
import { hoursLater, SENT } from '../domain/support.ts'
import { aPerson, aTask } from './support.ts'

const PEOPLE_HEAD =
  'app,task_id,campaign,user_id,state,first_seen_at,last_unread_at,first_read_at,read_after,read_before,forbidden_code,forbidden_count,named,as_of,tasks,forbidden_reason,name,department'

test('a file with people has the same columns for a task and for a campaign', () => {
  const person = aPerson({ userId: '0366', state: 'forbidden', forbiddenCode: '143105', forbiddenCount: 50 })
  const cells = ['default', '256271667526', 'payroll', '0366', 'forbidden', '', '', '', '', '', '143105', '50', 'true', '']
  expect(peopleCsv([person])).toBe(`\uFEFF${PEOPLE_HEAD}\r\n${[...cells, '1', 'daily_limit', '', ''].join(',')}\r\n`)
  expect(peopleCsv([{ ...person, tasks: 3 }])).toBe(`\uFEFF${PEOPLE_HEAD}\r\n${[...cells, '3', 'daily_limit', '', ''].join(',')}\r\n`)
})

test('only a forbidden person has a reason', () => {
  expect(peopleCsv([aPerson({ state: 'unread', forbiddenCode: '143105' })])).toMatch(/,143105,,true,,1,,,\r\n$/)
})

test('name and departments come last, so that a program which reads by position goes on', () => {
  const [, row = ''] = peopleCsv([aPerson({ name: '李伟', department: '总部/销售部; 总部/培训' })]).split('\r\n')
  expect(row).toMatch(/,true,,1,,李伟,总部\/销售部; 总部\/培训$/)
})

test('the file of one person has the columns of people, then those of the task', () => {
  const times = { sentAt: SENT, deadlineAt: hoursLater(24) }
  const [head = '', row = ''] = personTasksCsv([{ ...aPerson({ state: 'read' }), ...times, status: 'tracking' }]).split('\r\n')
  expect(head).toBe(`\uFEFF${PEOPLE_HEAD},sent_at,deadline_at,status`)
  expect(row).toMatch(/^default,256271667526,payroll,ann,read,.*,2026-\S+Z,2026-\S+Z,tracking$/)
})

test('the file of the directory has headers that people import knows', () => {
  const known = { app: 'hr', userId: '0366', name: '李伟', departments: ['总部/销售部', '总部'], managerUserId: 'boss', updatedAt: SENT }
  const unknown = { ...known, userId: '=1', name: null, departments: [], managerUserId: null, updatedAt: null }
  expect(directoryCsv([known, unknown])).toBe(
    `\uFEFFapp,user_id,name,department,manager_user_id,updated_at\r\nhr,0366,李伟,总部/销售部; 总部,boss,${SENT.toISOString()}\r\nhr,'=1,,,,\r\n`,
  )
})

test('a file in parts is the same file', () => {
  const people = [aPerson({ userId: 'ann' }), aPerson({ userId: 'bob' })]
  expect(peopleCsvHead() + peopleCsvRows(people.slice(0, 1)) + peopleCsvRows(people.slice(1))).toBe(peopleCsv(people))
})

test('a file with tasks begins with the columns of the view in the contract, and has the details of a code as JSON', () => {
  const task = aTask({ problemCode: 'timeout', problemDetail: { code: 'TIMEOUT' } })
  const [head = '', row = ''] = rowsCsv(TASK_FIELDS, [task]).split('\r\n')
  expect(head).toMatch(
    /^\uFEFFapp,task_id,agent_id,campaign,status,reason,sent_at,deadline_at,last_observed_at,finished_at,polls,targeted,/,
  )
  expect(row).toContain('timeout,"{""code"":""TIMEOUT""}",')
  expect(row.split(',')[6]).toBe(task.sentAt.toISOString())
})

test('a file with campaigns begins with the columns of the view in the contract', () => {
  expect(rowsCsv(CAMPAIGN_FIELDS, [])).toMatch(
    /^\uFEFFapp,campaign,tasks,open_tasks,first_sent_at,last_deadline_at,targeted,delivered,read,/,
  )
})

test('a file with departments has the columns of the view', () => {
  expect(rowsCsv(DEPARTMENT_FIELDS, [])).toBe(
    '\uFEFFapp,campaign,department,targeted,delivered,read,unread,pending,failed,forbidden,invalid,read_rate,read_rate_of_targeted\r\n',
  )
})

test.each([
  ['app', 'app'],
  ['firstReadAt', 'first_read_at'],
  ['readRateOfTargeted', 'read_rate_of_targeted'],
])('%s is %s in SQL', (field, name) => {
  expect(toSqlName(field)).toBe(name)
})
