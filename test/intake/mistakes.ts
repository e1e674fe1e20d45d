/** One mistake in what a sender says, in the words of each door; null where a door cannot make it. */
export interface Mistake {
  readonly name: string
  readonly input: Readonly<Record<string, unknown>>
  /** The same as the arguments of the SQL function; null: SQL's types rule it out. */
  readonly sql: Readonly<Record<string, unknown>> | null
  readonly field: string
  readonly code: 'INVALID_INPUT' | 'TOO_MANY_RECIPIENTS'
}

const invalid = (name: string, field: string, input: Mistake['input'], sql: Mistake['sql']): Mistake => ({
  name,
  field,
  input,
  sql,
  code: 'INVALID_INPUT',
})

const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `user${i}`)

export const MISTAKES: readonly Mistake[] = [
  invalid('a task id of letters', 'taskId', { taskId: 'abc' }, { task_id: 'abc' }),
  invalid('an empty task id', 'taskId', { taskId: '' }, { task_id: '' }),
  invalid('a task id with a leading zero', 'taskId', { taskId: '0256271667526' }, { task_id: '0256271667526' }),
  invalid('a negative task id', 'taskId', { taskId: '-1' }, { task_id: '-1' }),
  invalid('a task id beyond a Long', 'taskId', { taskId: '9223372036854775808' }, { task_id: '9223372036854775808' }),
  invalid('a task id with a line behind it', 'taskId', { taskId: '1\n' }, { task_id: '1\n' }),
  invalid('a very long task id', 'taskId', { taskId: '1'.repeat(300) }, { task_id: '1'.repeat(300) }),
  invalid('no task id', 'taskId', { campaign: 'payroll-11' }, null),
  invalid('a task id that lost its digits', 'taskId', { taskId: 9_007_199_254_740_992 }, null),
  invalid('an agent id of letters', 'agentId', { taskId: '1', agentId: 'x' }, { task_id: '1', agent_id: 'x' }),
  invalid('an app with a space', 'app', { taskId: '1', app: 'h r' }, { task_id: '1', app: 'h r' }),
  invalid('an empty app', 'app', { taskId: '1', app: '' }, { task_id: '1', app: '' }),
  invalid('no users in the list', 'userIds', { taskId: '1', userIds: [] }, { task_id: '1', user_ids: [] }),
  invalid('an empty user id', 'userIds[1]', { taskId: '1', userIds: ['a', ''] }, { task_id: '1', user_ids: ['a', ''] }),
  invalid('a user id with a space behind it', 'userIds[0]', { taskId: '1', userIds: ['a '] }, { task_id: '1', user_ids: ['a '] }),
  invalid('a user id that is null', 'userIds[0]', { taskId: '1', userIds: [null] }, { task_id: '1', user_ids: [null] }),
  invalid(
    'a user id of 129 characters',
    'userIds[0]',
    { taskId: '1', userIds: ['x'.repeat(129)] },
    { task_id: '1', user_ids: ['x'.repeat(129)] },
  ),
  invalid('a user id that is a number', 'userIds[0]', { taskId: '1', userIds: [36_632_523_163_121] }, null),
  {
    ...invalid('101 users', 'userIds', { taskId: '1', userIds: names(101) }, { task_id: '1', user_ids: names(101) }),
    code: 'TOO_MANY_RECIPIENTS',
  },
  invalid('a campaign of spaces', 'campaign', { taskId: '1', campaign: '  ' }, { task_id: '1', campaign: '  ' }),
  invalid(
    'a campaign of 201 characters',
    'campaign',
    { taskId: '1', campaign: '消'.repeat(201) },
    { task_id: '1', campaign: '消'.repeat(201) },
  ),
  ...[
    ['two ids joined by a comma', '0366,manager4220'],
    ['two ids joined by a wide comma', '0366，manager4220'],
    ['two ids joined by a tab', '0366\tmanager4220'],
    ['two ids joined by a semicolon', '0366;manager4220'],
    ['an id in quotation marks', '"0366"'],
    ['an id in Chinese quotation marks', '“0366”'],
    ['an id in apostrophes', "'0366'"],
    ['an id with the apostrophe of our CSV files', "'-0366"],
    ['an id in brackets', '[0366]'],
    ['an id with a zero-width space', '0366\u200b'],
  ].map(([name = '', userId]) =>
    invalid(name, 'userIds[1]', { taskId: '1', userIds: ['ann', userId] }, { task_id: '1', user_ids: ['ann', userId] }),
  ),
  invalid('a campaign with a tab', 'campaign', { taskId: '1', campaign: 'a\tb' }, { task_id: '1', campaign: 'a\tb' }),
  invalid('seconds for milliseconds', 'sentAt', { taskId: '1', sentAt: 1_763_859_600 }, { task_id: '1', sent_at: new Date(1_763_859_600) }),
  invalid(
    'a send of tomorrow',
    'sentAt',
    { taskId: '1', sentAt: '2099-01-01T00:00:00Z' },
    { task_id: '1', sent_at: '2099-01-01T00:00:00Z' },
  ),
  invalid('a time without a zone', 'sentAt', { taskId: '1', sentAt: '2026-11-23T09:00:00' }, null),
]
