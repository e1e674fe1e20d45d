import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from './support/lint.ts'

const COMMAND =
  /(?<!npx )(?<![\w/@-])dingtalk-delivery (?:migrate|worker|serve|start|demo|doctor|track|show|report|unread|resume|cancel|erase|simulator)\b/

/** With nothing on PATH, only npx finds the command. The names that connections have in PostgreSQL are no commands. */
test('every command that a message names can be pasted', () => {
  const files = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
  const lines = files.flatMap((file) =>
    readFileSync(join(ROOT, 'src', file), 'utf8')
      .split('\n')
      .filter((line) => COMMAND.test(line) && !/application_?name/i.test(line))
      .map((line) => `${file}: ${line.trim()}`),
  )
  expect(lines).toEqual([])
})
