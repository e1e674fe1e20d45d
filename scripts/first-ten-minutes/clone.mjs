// A fresh clone: `npm ci`, the command without a build and under both names, and every line of the README, the demo's first.
import assert from 'node:assert/strict'
import { runPages } from './pages.mjs'
import { makeClone, manifest, readersEnv, run, startDatabases } from './support.mjs'

/** @type {import('../first-ten-minutes.mjs').Part} */
export async function runClone({ closers, say, row }) {
  const folder = await makeClone(closers)
  const env = readersEnv()
  const { stdout, stderr } = await run('npm', ['ci', '--prefer-offline'], { cwd: folder, env })
  assert.deepEqual(`${stdout}${stderr}`.match(/EBADENGINE|ERESOLVE|deprecated/g), null, 'npm warns')
  say('npm ci: no warning')
  const first = await run('npx', ['dingtalk-delivery', '--version'], { cwd: folder, env })
  assert.equal(first.stdout, `${manifest.version}\n`)
  assert.match(first.stderr, /^dingtalk-delivery: nothing is built .*\n$/)
  assert.deepEqual(await run('npx', ['dingtalk-delivery-tracker', '--version'], { cwd: folder, env }), { stdout: first.stdout, stderr: '' })
  say('npx dingtalk-delivery, npx dingtalk-delivery-tracker: built by the first')
  await runPages(folder, { kind: 'clone', databases: await startDatabases(closers), say })
  row({
    setup: 'a clone after `npm ci`, nothing on PATH',
    result: 'works',
    run: '`npx dingtalk-delivery` and `npx dingtalk-delivery-tracker` before a build; the lines of the README, its sender and `npm run demo` among them',
  })
}
