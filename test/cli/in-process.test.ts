import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import { createContext } from '../../src/cli/context.ts'
import { runCommand } from '../../src/cli/program.ts'

test('a command runs in the process of its caller, with the streams, variables and signals that it is given', async () => {
  const said = { stdout: '', stderr: '' }
  const signals = new EventEmitter()
  const context = createContext({
    env: { DATABASE_URL: 'mysql://elsewhere/x' },
    directory: '/nowhere',
    stdout: { write: (text) => (said.stdout += text) },
    stderr: { write: (text) => (said.stderr += text) },
    process: { on: signals.on.bind(signals), off: signals.off.bind(signals), exit: () => expect.fail('a command never ends the process') },
    now: () => new Date(),
  })
  expect(await runCommand(['--help'], context)).toBe(0)
  expect(said.stdout).toContain('Usage: dingtalk-delivery')
  expect(await runCommand(['report', '--nonsense'], context)).toBe(2)
  expect(said.stderr).toContain("unknown option '--nonsense'")
  expect(await runCommand(['worker'], context)).toBe(1)
  expect(said.stderr).toContain('- DATABASE_URL: a value of 19 characters is not accepted')
})
