import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { ROOT } from './support/lint.ts'

/** What is not TypeScript breaks unnoticed: nothing that is measured by hand is run by a test. So all of it is type-checked. */

function tsc(...args: string[]) {
  return spawnSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), ...args], { cwd: ROOT, encoding: 'utf8' })
}

test('npm run types checks every script, benchmark and helper of a test', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
  expect(scripts['types']).toContain('-p tsconfig.scripts.json')
  const checked = new Set(
    tsc('-p', 'tsconfig.scripts.json', '--listFilesOnly')
      .stdout.split('\n')
      .map((path) => path.trim().replace(`${ROOT}/`, '')),
  )
  const files = ['bench', 'scripts', 'test'].flatMap((folder) => filesIn(folder))
  expect(files.length).toBeGreaterThan(20)
  expect(files.filter((file) => !checked.has(file))).toEqual([])
})

test.each([
  ['imports a file that is gone', "import { x } from '../../dist/gone.js'\nx()", 'TS2307'],
  ['imports a name that is gone', "import { gone } from '../../dist/index.js'\ngone()", 'TS2305'],
  ['imports a name that is gone, and nothing is built', "import { gone } from '../../src/index.js'\ngone()", 'TS2305'],
  ['calls what is called otherwise', "import { createTracker } from '../../dist/index.js'\ncreateTracker({ queueurl: 'x' })", 'TS2561'],
])('a script that %s is refused', (_, text, code) => {
  const folder = join(ROOT, 'node_modules', `.scripts-${process.pid}`)
  mkdirSync(folder, { recursive: true })
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'broken.mjs'), `${text}\n`)
  const extended = {
    extends: '../../tsconfig.scripts.json',
    compilerOptions: { rootDirs: ['../../src', '../../dist'] },
    include: ['*.mjs'],
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(extended))
  const { status, stdout } = tsc('--noEmit', '-p', folder)
  expect([status === 0, stdout]).toEqual([false, expect.stringContaining(`error ${code}`)])
})

function filesIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.mjs'))
    .map((path) => `${folder}/${path}`)
}
