import { describe, expect, test } from 'vitest'
import { TrackerError } from '../../src/domain/errors.ts'
import type { CampaignRecipient, Person, PersonTask, RateReader } from '../../src/report/rates.ts'
import { withoutNames } from '../../src/report/without-names.ts'
import { aCampaign, aPerson, aTask } from './support.ts'

const NAMED = { name: 'Ann Zquirrel', department: 'Zhead/Zsales' }
const CANARY = /Z(quirrel|head|sales)/
const KNOWN = { userId: 'ann', name: NAMED.name, departments: [NAMED.department], managerUserId: 'bob', updatedAt: new Date(0) }

/** The arguments with which each method is called. */
const CALLS = {
  task: [{ taskId: '1' }],
  tasks: [{}],
  campaign: [{ campaign: 'payroll' }],
  campaigns: [{}],
  recipients: [{ taskId: '1' }, { state: 'unread', search: 'ann' }],
  campaignRecipients: [{ campaign: 'payroll' }, { search: 'ann', limit: 7 }],
  curve: [{ taskId: '1' }],
  campaignCurve: [{ campaign: 'payroll' }],
  timeToRead: [{ taskId: '1' }],
  readTimes: [{ taskId: '1' }],
  stateDetails: [{ taskId: '1' }],
  stateAt: [{ taskId: '1' }, new Date(0)],
  polls: [{ taskId: '1' }],
  explain: [{ taskId: '1' }, 'ann'],
  campaignDepartments: [{ campaign: 'payroll' }],
  people: [{}],
  person: [{ userId: 'ann' }],
  personTasks: [{ userId: 'ann' }, { limit: 3 }],
  apps: [],
  attention: [],
} as const satisfies { readonly [Name in keyof RateReader]: Parameters<RateReader[Name]> }
type Method = keyof RateReader

type SomeAnswer = (...args: readonly never[]) => unknown

const NO_ANSWERS: Readonly<Record<string, SomeAnswer>> = Object.fromEntries(
  Object.keys(CALLS).map((name) => [name, (): unknown => `figures of ${name}`]),
)

/** Answers with names wherever there can be one; `asked` has the arguments that reached it. Methods are on the prototype, as of a class or a proxy. */
function aReader({ sentBy = ['default'] }: { readonly sentBy?: readonly string[] } = {}) {
  const asked: Array<readonly [string, ...unknown[]]> = []
  const person = aPerson(NAMED)
  const inCampaign: CampaignRecipient = { ...person, tasks: 1, taskId: '1' }
  const sent: PersonTask = { ...person, sentAt: new Date(0), deadlineAt: new Date(1), status: 'tracking' }
  const people: Person[] = ['default', 'hr'].map((app) => ({ ...KNOWN, app }))
  const answers: Readonly<Record<string, SomeAnswer>> = {
    task: () => aTask(),
    campaign: () => aCampaign(),
    recipients: () => [person],
    campaignRecipients: () => ({ items: [inCampaign], nextCursor: 'next' }),
    explain: () => ({ person, polls: [] }),
    campaignDepartments: () => [{ department: NAMED.department }],
    people: () => ({ items: people, nextCursor: null }),
    person: () => people,
    personTasks: ({ app }: { readonly app?: string }) => ({
      items: app === undefined || sentBy.includes(app) ? [sent] : [],
      nextCursor: 'next',
    }),
  }
  const methods: Record<string, PropertyDescriptor> = {}
  for (const [name, answer] of Object.entries({ ...NO_ANSWERS, ...answers })) {
    methods[name] = {
      value: async (...args: readonly never[]) => {
        asked.push([name, ...args])
        return answer(...args)
      },
    }
  }
  // The type is that of the interface, whose methods are all there.
  const prototype: object = Object.create(null, methods)
  const reader: RateReader = Object.create(prototype)
  return { reader, asked }
}

const REFUSED: readonly Method[] = ['campaignDepartments', 'people']
const METHODS = Object.keys(CALLS).filter((name): name is Method => name in CALLS)

function callMethod(reader: RateReader, method: Method): Promise<unknown> {
  return Promise.resolve(Reflect.apply(reader[method], reader, CALLS[method]))
}

describe('a reader without names', () => {
  test('has every method, and no answer of it has a name', async () => {
    expect(Object.keys(withoutNames(aReader().reader)).sort()).toEqual([...METHODS].sort())
    for (const method of METHODS) {
      const { reader, asked } = aReader()
      const named = JSON.stringify(await callMethod(reader, method))
      const answer = await callMethod(withoutNames(reader), method).catch((error: unknown) => String(error))
      expect([method, CANARY.test(JSON.stringify(answer))]).toEqual([method, false])
      // Figures without names are the reader's own, for the same question.
      if (!CANARY.test(named))
        expect([method, JSON.stringify(answer), asked]).toEqual([
          method,
          named,
          [
            [method, ...CALLS[method]],
            [method, ...CALLS[method]],
          ],
        ])
    }
  })

  test('hides name and department of people, and nothing else', async () => {
    const { reader } = aReader()
    const rates = withoutNames(reader)
    const hidden = { ...aPerson(), name: null, department: null }
    expect(await rates.recipients({ taskId: '1' }, {})).toEqual([hidden])
    expect(await rates.campaignRecipients({ campaign: 'payroll' }, {})).toEqual({
      items: [{ ...hidden, tasks: 1, taskId: '1' }],
      nextCursor: 'next',
    })
    expect(await rates.explain({ taskId: '1' }, 'ann')).toEqual({ person: hidden, polls: [] })
    expect(await rates.personTasks({ userId: 'ann' }, {})).toMatchObject({ items: [hidden], nextCursor: 'next' })
  })

  test('searches user ids only, whatever it is told', async () => {
    const { reader, asked } = aReader()
    const rates = withoutNames(reader)
    await rates.recipients({ taskId: '1' }, { search: 'Zq', searchIn: 'both' })
    await rates.campaignRecipients({ campaign: 'payroll' }, { search: 'Zq', limit: 7 })
    expect(asked).toEqual([
      ['recipients', { taskId: '1' }, { search: 'Zq', searchIn: 'userId' }],
      ['campaignRecipients', { campaign: 'payroll' }, { search: 'Zq', limit: 7, searchIn: 'userId' }],
    ])
  })

  test('a person is known by what was sent to them, not by names that are stored', async () => {
    const hidden = { userId: 'ann', name: null, departments: [], managerUserId: null, updatedAt: null }
    expect(await withoutNames(aReader({ sentBy: ['hr'] }).reader).person({ userId: 'ann' })).toEqual([{ app: 'hr', ...hidden }])
    const none = withoutNames(aReader({ sentBy: [] }).reader)
    await expect(none.person({ userId: 'ann', app: 'hr' })).rejects.toMatchObject({
      code: 'RECIPIENT_NOT_FOUND',
      message: 'Nothing is known of the user id "ann" in app hr.',
    })
    await expect(none.person({ userId: 'ann' })).rejects.toMatchObject({ message: 'Nothing is known of the user id "ann" in any app.' })
  })
})

describe('a question about names or departments', () => {
  const questions: ReadonlyArray<readonly [string, (rates: RateReader) => Promise<unknown>]> = [
    ...REFUSED.map((method) => [method, (rates: RateReader) => callMethod(rates, method)] as const),
    ['recipients of a department', (rates) => rates.recipients({ taskId: '1' }, { department: 'Zhead' })],
    ['people of a department', (rates) => rates.campaignRecipients({ campaign: 'payroll' }, { department: '' })],
  ]

  test.each(questions)('is refused, and does not reach the reader: %s', async (_, question) => {
    const { reader, asked } = aReader()
    await expect(question(withoutNames(reader))).rejects.toMatchObject({ code: 'NOT_PERMITTED' })
    const refusal = new TrackerError('CONFLICT', 'as the caller wants it')
    await expect(question(withoutNames(reader, () => refusal))).rejects.toBe(refusal)
    expect(asked).toEqual([])
  })
})
