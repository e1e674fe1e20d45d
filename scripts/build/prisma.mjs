// Prisma's runtime goes into dist/prisma: 3 MB of the 73 that @prisma/client has, since only PostgreSQL's small query compiler is used here.
// An app's own Prisma, of whatever version, then meets no second one. CommonJS, so that both builds of the package share one copy.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { rolldown } from 'rolldown'

const require = createRequire(import.meta.url)
const root = join(import.meta.dirname, '..', '..')

/** What the generated client and src/store import, and the file that has it here. */
const FILES = {
  '@prisma/client/runtime/client': 'runtime',
  '@prisma/client/runtime/query_compiler_small_bg.postgresql.mjs': 'query-compiler',
  '@prisma/client/runtime/query_compiler_small_bg.postgresql.wasm-base64.mjs': 'query-compiler-wasm',
  '@prisma/adapter-pg': 'adapter-pg',
}

const SPECIFIER = /(["'])(@prisma\/[^"']+)\1/g
/** The generated client sets a global variable for engines that it does not have here; it would be set in the program that embeds this package. */
const GLOBAL = /^globalThis\['__dirname'\] = .*$/m

/** @param {string} dist the folder of the build */
export async function bundlePrisma(dist) {
  const input = Object.fromEntries(
    Object.entries(FILES).map(([specifier, name]) => [name, require.resolve(specifier.replace(/\.mjs$/, '.js'))]),
  )
  const bundle = await rolldown({ input, cwd: root, platform: 'node', external: ['pg'] })
  const { output } = await bundle.write({
    dir: join(dist, 'prisma'),
    format: 'cjs',
    exports: 'named',
    entryFileNames: '[name].cjs',
    chunkFileNames: 'shared-[name].cjs',
  })
  await bundle.close()
  writeFileSync(join(dist, 'prisma', 'LICENSES.txt'), licences(output.flatMap((file) => (file.type === 'chunk' ? file.moduleIds : []))))
  for (const file of ['browser.js', join('internal', 'prismaNamespaceBrowser.js')])
    rmSync(join(dist, 'store', 'generated', file), { force: true })
  useBundle(dist)
}

/** The texts that the licences of the bundled packages ask to be kept. */
function licences(modules) {
  const folders = new Set(modules.filter((id) => id.includes('node_modules')).map(packageFolder))
  return [...folders]
    .toSorted((a, b) => a.localeCompare(b))
    .map((folder) => {
      const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
      const file = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each))
      const text = file === undefined ? `License: ${license}\n` : readFileSync(join(folder, file), 'utf8')
      return `${name} ${version}, parts of which are in this folder, as it was published or bundled\n\n${text}`
    })
    .join(`\n${'-'.repeat(100)}\n\n`)
}

function packageFolder(id) {
  const folder = dirname(id)
  const manifest = join(folder, 'package.json')
  return existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).version !== undefined ? folder : packageFolder(folder)
}

/** Makes the compiled files import the bundle instead of the packages. */
function useBundle(dist) {
  for (const path of readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((each) => each.endsWith('.js'))) {
    const file = join(dist, path)
    const text = readFileSync(file, 'utf8')
    if (!text.includes('@prisma/')) continue
    const up = '../'.repeat(path.split(/[\\/]/).length - 1) || './'
    const bundled = text.replace(SPECIFIER, (whole, quote, specifier) =>
      specifier in FILES ? `${quote}${up}prisma/${FILES[specifier]}.cjs${quote}` : whole,
    )
    writeFileSync(file, bundled.replace(GLOBAL, ''))
  }
}
