// A Nest application in its usual setup, CommonJS: type-checked as apps have it, run, and tested by Jest without a flag. Then Nest 12, which is ES modules.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  assertNoNodeWarning,
  binOf,
  commandOf,
  install,
  installedTwice,
  makeApp,
  pack,
  ROOT,
  readersEnv,
  run,
  startDatabases,
  startUntil,
} from './support.mjs'

const TIME_SCALE = '1440'
/** What an app's tsconfig.json may say of modules. The first is that of the example. */
const RESOLUTIONS = [
  ['commonjs', 'node10'],
  ['node16', 'node16'],
  ['nodenext', 'nodenext'],
  ['esnext', 'bundler'],
]

/** @type {import('../first-ten-minutes.mjs').Part} */
export async function runNestjs({ closers, say, row }) {
  const databases = await startDatabases(closers)
  const tarball = await pack()
  const folder = await makeApp(closers, [tarball], { example: 'nestjs' })
  assert.deepEqual(await installedTwice(folder), [], 'a package is installed twice')
  for (const [module, resolution] of RESOLUTIONS) {
    await tsc(folder, ['--noEmit', '--module', module, '--moduleResolution', resolution])
  }
  say(`types: ${RESOLUTIONS.map((each) => each.join('/')).join(', ')}, without skipLibCheck`)
  say(`Nest 11, CommonJS: ${await runNotices(folder, await simulated(closers, folder), databases)}`)
  const jest = await withDatabase(folder, readersEnv(), databases)
  const { stderr } = await run('npm', ['test'], { cwd: folder, env: jest })
  assert.match(stderr, /Tests: +2 passed, 2 total/)
  assertNoNodeWarning(stderr)
  say('Jest 30, no flags: 2 passed')
  await toEsModules(folder)
  // A simulator of its own: the same text to the same people on the same day would be forbidden as a duplicate.
  say(`Nest 12, ES modules: ${await runNotices(folder, await simulated(closers, folder), databases)}`)
  const [[module, resolution], ...others] = RESOLUTIONS
  const types = others.map((each) => `\`${each.join('`/`')}\``).join(', ')
  const example = 'examples/nestjs: sends, polls, and reads the figures'
  row({ setup: `Nest 11, \`module\` ${module}, \`moduleResolution\` ${resolution}`, result: 'works', run: example })
  row({
    setup: `TypeScript 5.9, \`module\`/\`moduleResolution\` ${types}`,
    result: 'no error',
    run: 'types of examples/nestjs with `skipLibCheck: false`',
  })
  row({ setup: 'Jest 30 with ts-jest, no flag', result: 'works', run: 'the test of examples/nestjs' })
  row({ setup: 'Nest 12, ES modules, `nodenext`', result: 'works', run: `${example}; its types with TypeScript 7 too` })
}

/** @returns the figures that the application printed */
async function runNotices(folder, env, databases) {
  await tsc(folder, [])
  const { stdout, stderr } = await run('npm', ['start', '--', 'ann-fast', 'ben-fast', 'cat-invalid'], {
    cwd: folder,
    env: await withDatabase(folder, env, databases),
  })
  assertNoNodeWarning(stderr)
  const figures = JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
  assert.deepEqual(figures, { targeted: 3, delivered: 2, read: 2, unread: 0, readRate: 1 })
  return JSON.stringify(figures)
}

async function withDatabase(folder, env, databases) {
  const own = { ...env, DATABASE_URL: await databases.create() }
  await run(commandOf(folder), ['migrate'], { cwd: folder, env: own })
  return own
}

async function simulated(closers, folder) {
  const simulator = await startUntil(commandOf(folder), ['simulator', '--port', '0', '--time-scale', TIME_SCALE], {
    cwd: folder,
    until: /http:\/\/[\d.:]+/,
  })
  closers.push(simulator.stop)
  const url = simulator.found
  const app = { DINGTALK_APP_KEY: 'sim-app-key', DINGTALK_APP_SECRET: 'sim-app-secret', DINGTALK_AGENT_ID: '836390886' }
  return readersEnv(undefined, { ...app, DINGTALK_OAPI_URL: url, DINGTALK_API_URL: url, TIME_SCALE })
}

function tsc(folder, options) {
  return run(binOf(folder, 'tsc'), ['-p', 'tsconfig.json', ...options], { cwd: folder })
}

/** The same application as Nest 12 needs it; checked by the compiler of this clone too, which knows no `node10`. */
async function toEsModules(folder) {
  await install(folder, ['@nestjs/common@12', '@nestjs/core@12', '@nestjs/testing@12', '--legacy-peer-deps'])
  edit(join(folder, 'package.json'), (text) => text.replace('"private": true', '"private": true, "type": "module"'))
  edit(join(folder, 'tsconfig.json'), (text) => text.replace('"commonjs"', '"nodenext"').replace('"node10"', '"nodenext"'))
  for (const file of readdirSync(join(folder, 'src'))) {
    edit(join(folder, 'src', file), (text) => text.replaceAll(/(from '\.\/[\w.]+)'/g, "$1.js'"))
  }
  await run(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', folder, '--noEmit'], { cwd: folder })
}

function edit(file, change) {
  writeFileSync(file, change(readFileSync(file, 'utf8')))
}
