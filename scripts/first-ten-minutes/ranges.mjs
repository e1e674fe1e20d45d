// An app that has the packages of the ranges itself, at their lowest and at their highest: it gets no second copy, and everything works.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  commandOf,
  installedTwice,
  makeApp,
  manifest,
  pack,
  readersEnv,
  run,
  runDay,
  SHARED,
  startDatabases,
  startRedis,
  startUntil,
} from './support.mjs'

/** @type {import('../first-ten-minutes.mjs').Part} */
export async function runRanges({ closers, say, row }) {
  const tarball = await pack()
  const databases = await startDatabases(closers)
  const lowest = SHARED.map((name) => `${name}@${lowestOf(manifest.dependencies[name])}`)
  const highest = SHARED.map((name) => `${name}@${manifest.dependencies[name]}`)
  for (const packages of [lowest, highest]) {
    const folder = await makeApp(closers, [tarball, ...packages])
    assert.deepEqual(await installedTwice(folder), [], 'a package is installed twice')
    if (packages === lowest) assert.deepEqual(installed(folder), lowest)
    const { figures } = await runDay(folder, databases, 'import', { queueUrl: await startRedis(closers) })
    await serves(folder, await databases.create())
    const which = packages === lowest ? `the lowest: ${lowest.join(', ')}` : 'the highest of each range'
    row({
      setup: `an app with ${which}`,
      result: 'works, no second copy',
      run: 'a simulated day with a queue in Redis; `start`, HTTP, `report`',
    })
    say(`${installed(folder).join(' ')}: ${JSON.stringify(figures)}`)
  }
}

/** Ranges are written with their lowest release first: `^5.4.1 || ^6.0.0`. */
function lowestOf(range) {
  return /\d+\.\d+\.\d+/.exec(range)?.[0] ?? ''
}

function installed(folder) {
  return SHARED.map((name) => `${name}@${JSON.parse(readFileSync(join(folder, 'node_modules', name, 'package.json'), 'utf8')).version}`)
}

/** Worker, HTTP API and dashboard in one process. */
async function serves(folder, databaseUrl) {
  const env = readersEnv(undefined, { DATABASE_URL: databaseUrl, DINGTALK_ACCESS_TOKEN: 'token', PORT: '0', HEALTH_PORT: '0' })
  const { found, stop } = await startUntil(commandOf(folder), ['start'], {
    cwd: folder,
    env,
    until: /http:\S+openapi\.json[^]*Working\./,
  })
  const [url = ''] = /http:\S+openapi\.json/.exec(found) ?? []
  const { status } = await fetch(url)
  assert.equal(status, 200)
  await run('npx', ['dingtalk-delivery', 'report'], { cwd: folder, env })
  await stop()
}
