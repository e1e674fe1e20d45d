// The lowest releases of the lines of Node that package.json permits, and the newest of its last, from npm's packages of Node: the day in both formats,
// and the commands.
import assert from 'node:assert/strict'
import { readdirSync, realpathSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { install, linkNode, makeFolder, makeInstalledApp, manifest, readersEnv, run, runDay, startDatabases } from './support.mjs'

/** npm has Node for these alone; elsewhere the one Node that runs this is tested. */
const PLATFORM = `${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`
const AT_ONCE = 3

/** @type {import('../first-ten-minutes.mjs').Part} */
export async function runNodes({ closers, say, row }) {
  const databases = await startDatabases(closers)
  const folder = await makeInstalledApp(closers)
  const waiting = releases().map((release) => async () => {
    const env = readersEnv(await nodeOf(closers, release))
    const { stdout: version } = await run('node', ['--version'], { cwd: folder, env })
    assert.equal(version.split('.')[0], `v${release.split('.')[0]}`)
    const ofCommand = await run('npx', ['dingtalk-delivery', '--version'], { cwd: folder, env })
    assert.deepEqual(ofCommand, { stdout: `${manifest.version}\n`, stderr: '' })
    const days = await Promise.all(['import', 'require'].map((format) => runDay(folder, databases, format, { env })))
    for (const { node } of days) assert.equal(node, version.trim())
    say(`${version.trim()}: ${JSON.stringify(days[0]?.figures)}`)
  })
  const workers = Array.from({ length: AT_ONCE }, async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await next()
  })
  await Promise.all(workers)
  for (const release of releases()) {
    const setup = release.includes('.') ? `Node ${release}, the lowest of its line` : `Node ${release}, its newest release`
    row({
      setup,
      result: 'works',
      run: 'the installed package: migrate; a simulated day of sender, worker and rates, by `import` and by `require`',
    })
  }
}

/** `^20.19.0 || ^22.12.0 || >=24.0.0`: the lowest that is permitted, of the middle line its lowest, and the newest release of the last line. */
function releases() {
  const lowest = manifest.engines.node.match(/\d+\.\d+\.\d+/g)
  return [...lowest.slice(0, -1), lowest.at(-1).split('.')[0]]
}

/** @returns a folder with `node`, and with the npm of the Node that runs this: the packages have no npm */
async function nodeOf(closers, release) {
  const folder = makeFolder(closers, 'node')
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
  await install(folder, ['--ignore-scripts', `node-${PLATFORM}@${release}`])
  const binary = join(folder, 'node_modules', `node-${PLATFORM}`, 'bin', 'node')
  const here = dirname(process.execPath)
  const npm = Object.fromEntries(
    readdirSync(here)
      .filter((name) => name === 'npm' || name === 'npx')
      .map((name) => [name, realpathSync(join(here, name))]),
  )
  return linkNode(closers, binary, npm)
}
