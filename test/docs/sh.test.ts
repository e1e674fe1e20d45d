import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { runCommand } from '../support/commands.ts'
import { blocksIn, codeIn, PAGES, textOf } from './support/pages.ts'
import { commandWords } from './support/usage.ts'

// The quick form of sh.full.test.ts, which runs all of them against real servers.

test.each(blocksIn('sh').map(({ at, text }) => [at, text]))('%s can be pasted: it is sh, and asks for nothing', (_, text) => {
  expect(spawnSync('sh', ['-n'], { input: text, encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' })
  expect(text).not.toMatch(/^\s*[$>] |<[a-z-]+>|\bsudo\b/m)
})

/** Every command of this package that a page names in a block or between backticks, with its options. */
const COMMANDS = [
  ...blocksIn('sh').flatMap(({ at, text }) => commandsIn(text.replace(/\\\n/g, ' ')).map((command) => [at, command] as const)),
  ...PAGES.flatMap((page) => codeIn(textOf(page)).flatMap((code) => commandsIn(code).map((command) => [page, command] as const))),
]

test.each(COMMANDS)('%s: npx dingtalk-delivery %s is a command with these options', async (_, command) => {
  const words = commandWords(command)
  const args = command.split(/\s+/).slice(words.length)
  const { code, stdout } = await runCommand([...words, '--help'])
  expect([code, stdout]).toEqual([0, expect.stringContaining(`Usage: dingtalk-delivery ${words.join(' ')} `)])
  const options = new Set(stdout.match(/--[a-z-]+/g))
  expect(args.flatMap((arg) => /^--[a-z-]+/.exec(arg)?.[0] ?? []).filter((option) => !options.has(option))).toEqual([])
})

function commandsIn(text: string): string[] {
  return [...text.matchAll(/npx dingtalk-delivery ([a-z][^#\n|;&]*)/g)].map(([, command = '']) => command.trim())
}
