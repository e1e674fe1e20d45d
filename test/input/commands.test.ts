import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { aDatabase, aSession, taskRows } from '../intake/support.ts'
import { runCommand } from '../support/commands.ts'

async function files(contents: Readonly<Record<string, string | Buffer>>): Promise<(name: string) => string> {
  const dir = await mkdtemp(join(tmpdir(), 'dingtalk-delivery-input-'))
  onTestFinished(() => rm(dir, { recursive: true }))
  for (const [name, content] of Object.entries(contents)) await writeFile(join(dir, name), content)
  return (name) => join(dir, name)
}

test('flags and files are taken as they are, or refused with one clear line, and nothing is half tracked', async () => {
  const DATABASE_URL = await aDatabase()
  const at = await files({
    'windows.txt': '\ufeffann\r\n# a comment\r\n036  # leading zeros stay\r\n\r\n李雷\r\n',
    'gbk.txt': Buffer.from([0xc0, 0xee, 0xc0, 0xd7, 0x0a]),
    'escape.txt': 'ann\n\u001b[2Jbob\u009b2J\n',
    'huge.txt': Buffer.alloc(5_000_000, 'ann\n'),
  })
  const refused: ReadonlyArray<readonly [args: readonly string[], says: string]> = [
    [['1', '--users-file', at('gbk.txt')], 'gbk.txt is not UTF-8. Give a text file in UTF-8 with one user id a line.'],
    [['1', '--users-file', at('escape.txt')], 'userIds[1] must have 1 to 128 characters'],
    [['1', '--users-file', at('huge.txt')], 'huge.txt is larger than 1024 kB.'],
    [['1', '--users-file', at('no\u009b2Jwhere.txt')], 'cannot be read (ENOENT)'],
    [
      ['1', '--sent-at', '9'.repeat(400)],
      'sentAt must be an ISO 8601 time with a time zone such as "2026-11-23T09:00:00+08:00", or epoch milliseconds, not Infinity.',
    ],
  ]
  const accepted = [
    ['11', '--users-file', at('windows.txt'), '--user', '__proto__'],
    ['9223372036854775807', '--campaign', "'; DROP TABLE delivery_task; --", '--user', '-1', '--app', 'hr'],
  ]
  const run = async (args: readonly string[]) => runCommand(['track', ...args], { env: { DATABASE_URL } })
  // Two at a time: each is a program of its own.
  const queue = [...refused.map(([args, says]) => ({ args, says })), ...accepted.map((args) => ({ args, says: null }))]
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const { code, stdout, stderr } = await run(next.args)
      if (next.says === null) expect([next.args, code, stdout, stderr]).toEqual([next.args, 0, 'tracking\n', ''])
      else expect([next.args, code, stdout, stderr]).toEqual([next.args, 1, '', expect.stringContaining(next.says)])
      // One line, and nothing in it that a terminal would obey.
      expect(stderr).toMatch(/^(error: [^\p{Cc}]+\n)?$/u)
    }
  }
  await Promise.all([worker(), worker()])
  expect(await taskRows(await aSession(DATABASE_URL))).toMatchObject([
    { app: 'default', task_id: '11', users: ['036', '__proto__', 'ann', '李雷'] },
    { app: 'hr', task_id: '9223372036854775807', campaign: "'; DROP TABLE delivery_task; --", users: ['-1'] },
  ])
})
