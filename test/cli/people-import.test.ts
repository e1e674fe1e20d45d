import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { openTestStore, type TestStore } from '../store/support/database.ts'
import { type CommandOptions, runCommand } from '../support/commands.ts'
import { type DatabaseRole, urlAs } from '../support/roles.ts'
import { makeXlsx, type Sheet } from '../support/xlsx.ts'

let db: TestStore
let directory: string
beforeAll(async () => {
  db = await openTestStore()
  directory = await mkdtemp(join(tmpdir(), 'dingtalk-delivery-people-'))
})
afterAll(async () => {
  await db.close()
  await rm(directory, { recursive: true })
})
afterEach(() => db.pool.query('TRUNCATE delivery_person, delivery_erasure'))

const LONG = '036632523163100003'
const PEOPLE = `user_id,name,department,manager_user_id
${LONG},王芳,总部/销售部;总部/项目组,manager4220
manager4220,"Li, Wei",总部,
`

async function importFile(content: string | Uint8Array, args: readonly string[] = [], options: CommandOptions = {}) {
  await writeFile(join(directory, 'people.csv'), content)
  return runCommand(['people', 'import', 'people.csv', ...args], { env: { DATABASE_URL: db.url }, cwd: directory, ...options })
}

/** What is typed in it. */
function aTerminal(text: string): NonNullable<CommandOptions['stdin']> {
  return Object.assign(Readable.from(text === '' ? [] : [text]), { isTTY: true })
}

async function stored(app = 'default'): Promise<unknown[]> {
  const { rows } = await db.pool.query<Record<string, unknown>>(
    'SELECT user_id, name, departments, manager_user_id FROM delivery_person WHERE app = $1 ORDER BY user_id',
    [app],
  )
  return rows.map((row) => Object.values(row))
}

const STORED = [
  [LONG, '王芳', ['总部/销售部', '总部/项目组'], 'manager4220'],
  ['manager4220', 'Li, Wei', ['总部'], null],
]

describe('a file that is imported', () => {
  test('is shown first, and stored letter for letter', async () => {
    const { code, stdout, stderr } = await importFile(PEOPLE)
    expect([code, stderr]).toEqual([0, ''])
    expect(stdout).toBe(`people.csv (CSV in UTF-8): 2 people of the app default
Columns: user_id, name, department, manager_user_id
  new        2
  changed    0
  unchanged  0
  not named  0
Stored: 2 new, 0 changed, 0 unchanged, 0 removed.
`)
    expect(await stored()).toEqual(STORED)
  })

  test('with --dry-run shows what would change, with names, and changes nothing', async () => {
    await importFile(PEOPLE)
    const { code, stdout } = await importFile(PEOPLE.replace('王芳', '王方').replace(';总部/项目组', ''), ['--dry-run'])
    expect(code).toBe(0)
    expect(stdout).toContain(`Changes:
  ${LONG}  name: 王芳 → 王方
  ${LONG}  departments: 总部/销售部; 总部/项目组 → 总部/销售部
Nothing was changed: --dry-run.
`)
    expect(await stored()).toEqual(STORED)
  })

  test('shows no name where it is no terminal: what is printed there ends up in a log', async () => {
    await importFile(PEOPLE)
    const { stdout } = await importFile(PEOPLE.replace('王芳', '王方'))
    expect(stdout).toMatch(/^ {2}changed {4}1$/m)
    expect(stdout).not.toMatch(/王/)
  })

  test.each([
    ['y\n', 0, STORED],
    ['yes\n', 0, STORED],
    ['n\n', 1, []],
    ['\n', 1, []],
    ['', 1, []],
  ])('asks in a terminal, and does what is typed: %j', async (typed, code, rows) => {
    const { stderr, ...done } = await importFile(PEOPLE, [], { stdin: aTerminal(typed) })
    expect([done.code, stderr]).toEqual([code, 'Store this? [y/N] '])
    expect(await stored()).toEqual(rows)
  })

  test('does not ask with --yes, nor where nothing changes', async () => {
    expect((await importFile(PEOPLE, ['--yes'], { stdin: aTerminal('n\n') })).code).toBe(0)
    expect(await importFile(PEOPLE, [], { stdin: aTerminal('n\n') })).toMatchObject({
      code: 0,
      stderr: '',
      stdout: expect.stringContaining('2 unchanged'),
    })
  })

  test('removes others with --remove-missing only, and those of its own app only', async () => {
    await importFile(PEOPLE)
    await importFile(PEOPLE, ['--app', 'hr'])
    const one = PEOPLE.split('\n').slice(0, 2).join('\n')
    expect((await importFile(one)).stdout).toMatch(/^ {2}not named {2}1 {2}stay as they are; --remove-missing removes them$/m)
    expect(await stored()).toEqual(STORED)
    const { stdout } = await importFile(one, ['--remove-missing'])
    expect(stdout).toMatch(/^ {2}not named {2}1 {2}will be removed$/m)
    expect(stdout).toMatch(/1 removed\.$/m)
    expect(await stored()).toEqual(STORED.slice(0, 1))
    expect(await stored('hr')).toEqual(STORED)
  })

  test('keeps what it has no column for, and removes what an empty cell stood for', async () => {
    await importFile(PEOPLE)
    await importFile(`user_id,name\n${LONG},\n`)
    expect(await stored()).toEqual([[LONG, null, ['总部/销售部', '总部/项目组'], 'manager4220'], STORED[1]])
  })

  test('leaves out a person who was erased less than a day ago, and says so', async () => {
    await db.pool.query(`SELECT delivery_begin_erasure('${LONG}', NULL)`)
    const { stdout } = await importFile(PEOPLE)
    expect(stdout).toMatch(/^ {2}erased {5}1 {2}erased less than a day ago, left out/m)
    expect(await stored()).toEqual(STORED.slice(1))
  })

  test('needs a role that may see and change names, and no other right', async () => {
    const as = (role: DatabaseRole) => ({ env: { DATABASE_URL: urlAs(role, db.url) } })
    await importFile(PEOPLE)
    const refused = await importFile(PEOPLE, [], as('worker'))
    expect([refused.code, refused.stdout]).toEqual([1, ''])
    expect(refused.stderr).toMatch(/^error: .* lacks a right in the database: .*delivery_people.*member of delivery_names/)
    expect((await importFile(PEOPLE.split('\n').slice(0, 2).join('\n'), ['--remove-missing'], as('names'))).stdout).toMatch(/1 removed\.$/m)
    expect(await stored()).toEqual(STORED.slice(0, 1))
  })

  test('is stored whole, or not at all', async () => {
    await db.pool.query(`CREATE FUNCTION pg_temp_fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no more'; END $$;
      CREATE TRIGGER fail BEFORE INSERT ON delivery_person FOR EACH ROW WHEN (NEW.user_id = 'u4999') EXECUTE FUNCTION pg_temp_fail()`)
    try {
      const many = `user_id,name\n${Array.from({ length: 5_000 }, (_, i) => `u${i},n${i}`).join('\n')}\n`
      expect((await importFile(many)).code).toBe(1)
      expect(await stored()).toEqual([])
    } finally {
      await db.pool.query('DROP TRIGGER fail ON delivery_person; DROP FUNCTION pg_temp_fail')
    }
  })
})

/** What is stored of a file, or the line on stderr that refuses it. */
async function outcome(content: string | Uint8Array): Promise<unknown> {
  const { code, stderr } = await importFile(content)
  return code === 0 ? stored() : stderr
}

test.each([
  ['a byte order mark', `\ufeff${PEOPLE}`],
  ['line ends of Windows', PEOPLE.replaceAll('\n', '\r\n')],
  ['UTF-16, as "Unicode text" of Excel', Buffer.from(`\ufeff${PEOPLE.replaceAll(/,(?! )/g, '\t')}`, 'utf16le')],
  ['GB18030', gb18030(PEOPLE)],
  ['tabs', PEOPLE.replaceAll(/,(?! )/g, '\t')],
  [
    'semicolons, and departments in quotation marks',
    PEOPLE.replaceAll(/,(?! )/g, '|')
      .replace(/(总部.*组)/, '"$1"')
      .replaceAll('|', ';'),
  ],
  [
    'another order, and Chinese titles',
    `部门,姓名,直属主管UserID,职位,员工 userid\n总部/销售部；总部/项目组,王芳,manager4220,x,${LONG}\n总部,"Li, Wei",,,manager4220\n`,
  ],
  [
    'protected texts',
    `user_id,name,department,manager_user_id\n"=""${LONG}""",王芳,总部/销售部;总部/项目组,'manager4220\nmanager4220,"Li, Wei",总部,\n`,
  ],
  [
    'a row for each department',
    `user_id,name,department,manager_user_id\n${LONG},王芳,总部/销售部,manager4220\nmanager4220,"Li, Wei",总部,\n\n${LONG},王芳,总部 / 项目组,manager4220\n`,
  ],
  ['titles above the header', `通讯录,,,\n"请勿修改\n表头",,,\n${PEOPLE}`],
])('the same people are read from a file with %s', async (_, content) => {
  expect(await outcome(content)).toEqual(STORED)
})

test("DingTalk's own export: levels by a hyphen, several by a comma, a slash in a name", async () => {
  const file = `员工UserID,姓名,手机号,部门,工号\n${LONG},王芳,138,"公司-研发部-前端组,公司-研发/测试",0007\n`
  const { stdout } = await importFile(file)
  expect(stdout).toContain('Ignored: 手机号, 工号\n')
  expect(stdout).toContain('Departments as DingTalk exports them')
  expect(await stored()).toEqual([[LONG, '王芳', ['公司/研发部/前端组', '公司/研发／测试'], null]])
})

/** The letters of the file above, by the table of the encoding. */
function gb18030(text: string): Uint8Array {
  const decoder = new TextDecoder('gb18030')
  const bytes = new Map<string, readonly number[]>()
  for (let lead = 0x81; lead <= 0xfe; lead++)
    for (let trail = 0x40; trail <= 0xfe; trail++)
      if (trail !== 0x7f) bytes.set(decoder.decode(new Uint8Array([lead, trail])), [lead, trail])
  return new Uint8Array([...text].flatMap((letter) => (letter < '\u0080' ? [letter.charCodeAt(0)] : (bytes.get(letter) ?? []))))
}

const excel = (rows: Sheet['rows']): Buffer => makeXlsx({ name: '人员', rows })
const TITLES = ['user_id', 'name', 'department', 'manager_user_id']

test('a workbook is read with its texts as they are, and whatever its name ends with', async () => {
  const rows = [TITLES, [LONG, '王芳', '总部/销售部;总部/项目组', 'manager4220'], [], ['manager4220', 'Li, Wei', '总部', null]]
  expect(await outcome(excel(rows))).toEqual(STORED)
  const { stdout } = await importFile(makeXlsx({ name: 'Notes', rows: [['to do']] }, { name: '人员', rows }))
  expect(stdout).toContain('people.csv (workbook, sheet "人员"): 2 people')
})

test('a user id that is a short number is taken, with a word about leading zeros', async () => {
  const { stdout } = await importFile(excel([TITLES, [{ v: '10023' }, 'Ann', { v: '7' }, { v: '10024' }]]))
  expect(stdout).toContain('Check: 1 user id is a number in the file. Where an id begins with 0, Excel has removed it')
  expect(await stored()).toEqual([['10023', 'Ann', ['7'], '10024']])
})

describe('is refused, and nothing is stored:', () => {
  const expectRefused = async (content: string | Uint8Array, says: string | RegExp): Promise<void> => {
    await importFile(PEOPLE)
    const { code, stdout, stderr } = await importFile(content, ['--remove-missing'])
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(says)
    expect(await stored()).toEqual(STORED)
  }

  test.each([
    [
      'a rounded id',
      `user_id,name\nann,Ann\n3.66325E+16,Bob\n`,
      'people.csv, line 3, column "user_id": "3.66325E+16" is a number that Excel has rounded, so the id is lost. Format the column as text',
    ],
    [
      'a rounded manager',
      `user_id,name,直属主管UserID\nann,Ann,"3,66E+16"\n`,
      'line 2, column "直属主管UserID": "3,66E+16" is a number that Excel has rounded',
    ],
    [
      'ids that end in zeros',
      `user_id,name\n${[1, 2, 3, 4, 5].map((i) => `3663252316310${i}000`).join(',x\n')},x\n`,
      'and the other 4 ids of more than 15 digits, end in zeros',
    ],
    ['no id', `user_id,name\n,Ann\n`, 'line 2, column "user_id": it is empty. Give the user id'],
    ['several ids', `user_id,name\n"ann,bob",Ann\n`, 'line 2, column "user_id": "ann,bob" looks like several ids in one'],
    [
      'a person twice, with another name',
      `user_id,name\nann,Ann\nbob,Bob\nann,Anna\n`,
      'lines 2 and 4 have the same user id "ann", and another name',
    ],
    ['a long name', `user_id,name\nann,${'x'.repeat(201)}\n`, /line 2, column "name": "x+…? has 201 characters, and 200 are the most/],
    ['a name on two lines', `user_id,name\n\nann,"A\nB"\n`, 'line 3, column "name": "A\\nB" has a line break'],
    ['a path with a gap', `user_id,department\nann,a//b\n`, 'line 2, column "department": "a//b" has a department without a name'],
    [
      'a job number in place of the id',
      '工号,姓名\n7,Ann\n',
      /has no column of user ids in its first 20 lines. It has: 工号, 姓名. "工号" is a job number, and no user id/,
    ],
    ['nothing but ids', 'user_id,phone\nann,1\n', 'line 1 has a column of user ids, and none of names'],
    ['two columns of one meaning', 'user_id,name,姓名\nann,A,B\n', 'line 1: the columns "name" and "姓名" mean the same'],
    ['no person', 'user_id,name\n', 'there is no person below the header in line 1'],
    ['an open quotation mark', 'user_id,name\nann,"A\n', 'the quotation marks do not match'],
    ['an empty file', '', 'has no column of user ids'],
  ])('%s', async (_, content, says) => {
    await expectRefused(content, typeof says === 'string' ? new RegExp(says.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')) : says)
  })

  test.each([
    [
      '18 digits as a number',
      [{ v: '36632523163100000' }, 'Ann'],
      /line 2, column "user_id": "36632523163100000" is a number of more than 15 digits/,
    ],
    [
      'the same with an exponent',
      [{ v: '3.6632523163100003E+16' }, 'Ann'],
      /line 2, column "user_id": "3.6632523163100003E\+16" is a number of more than 15 digits/,
    ],
    ['a broken number', [{ v: '1.5' }, 'Ann'], /line 2, column "user_id": "1.5" is a number, and no user id/],
    ['a date', ['ann', { v: '45000', style: 1 }], /line 2, column "name": "2023-03-15" is a date in the file/],
  ])('a workbook with %s', async (_, row, says) => {
    await expectRefused(excel([TITLES, row]), says)
  })

  test('a file that is no workbook, and no text', async () => {
    await expectRefused(Buffer.from('d0cf11e0a1b11ae10000', 'hex'), /is an old .xls file, or has a password. Save it as .xlsx/)
    await expectRefused(Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(64)]), /is no .xlsx workbook, or a damaged one/)
    await expectRefused(Buffer.from([0xff, 0x00, 0xff]), /is neither UTF-8 nor GB18030 text/)
  })

  test('all faults at once, ten of them in full', async () => {
    const file = `user_id,name\n${Array.from({ length: 12 }, (_, i) => `,n${i}`).join('\n')}\n`
    await expectRefused(
      file,
      /^error: people.csv has 12 faults. Nothing was changed.\n {2}line 2, [^]*\n {2}line 11, [^]*\n {2}and 2 more\n$/,
    )
  })

  test('a file that is not there', async () => {
    const { code, stderr } = await runCommand(['people', 'import', 'nope.csv'], { env: { DATABASE_URL: db.url }, cwd: directory })
    expect([code, stderr]).toEqual([
      1,
      'error: nope.csv cannot be read (ENOENT: it does not exist). Give a CSV file or an .xlsx workbook.\n',
    ])
  })
})
