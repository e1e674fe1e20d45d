// An app that has installed the package: every line of the pages, pasted there.
import { checkCommands, runPages } from './pages.mjs'
import { makeInstalledApp, pack, startDatabases } from './support.mjs'

/** @type {import('../first-ten-minutes.mjs').Part} */
export async function runPasted({ closers, say, row }) {
  const tarball = await pack()
  const folder = await makeInstalledApp(closers)
  say(`${await checkCommands(folder)} commands of all pages exist, with their options`)
  await runPages(folder, { kind: 'app', tarball, databases: await startDatabases(closers), say })
  row({ setup: 'an app with the packed package, nothing on PATH', result: 'works', run: 'the lines of the pages, pasted' })
}
