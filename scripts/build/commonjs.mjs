// The entries once more as CommonJS, in dist/cjs: NestJS' usual setup compiles to it, and Jest loads nothing else without flags.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { rolldown } from 'rolldown'

const ENTRIES = { index: 'index', rates: 'rates', worker: 'worker', simulator: 'simulator/simulator' }

/** @param {string} dist the folder of the build, with the compiled modules and dist/prisma */
export async function buildCommonJs(dist) {
  const folder = join(dist, 'cjs')
  const bundle = await rolldown({
    input: Object.fromEntries(Object.entries(ENTRIES).map(([name, file]) => [name, join(dist, `${file}.js`)])),
    platform: 'node',
    // The paths in its comments start there, so that two builds are the same text.
    cwd: dist,
    // Packages.
    external: (id) => !/^[./]|^\w:/.test(id),
    plugins: [sharedPrisma, importMeta(folder)],
  })
  await bundle.write({
    dir: folder,
    format: 'cjs',
    exports: 'named',
    entryFileNames: '[name].js',
    // All in one folder: `importMeta` counts on it.
    chunkFileNames: 'shared-[name].js',
    // Jest has no `import()` without a flag.
    dynamicImportInCjs: false,
  })
  await bundle.close()
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "type": "commonjs" }\n')
  for (const file of Object.values(ENTRIES)) copyTypes(dist, `${file}.d.ts`)
}

/** Prisma's bundle stays where it is: both builds load it. */
const sharedPrisma = {
  name: 'shared-prisma',
  resolveId: (id) => (id.endsWith('.cjs') ? { id: `../prisma/${basename(id)}`, external: 'absolute' } : null),
}

/** A file finds what lies beside it by where it is; in a bundle it is elsewhere. */
function importMeta(folder) {
  return {
    name: 'import-meta-url',
    transform(code, id) {
      if (!code.includes('import.meta.url')) return null
      const path = relative(folder, id).replaceAll('\\', '/')
      return code.replaceAll('import.meta.url', `require('node:url').pathToFileURL(require('node:path').join(__dirname, '${path}')).href`)
    },
  }
}

/** TypeScript asks for the declarations of each format in its own folder. They are the same text. */
function copyTypes(dist, path, done = new Set()) {
  if (done.has(path)) return
  done.add(path)
  const text = readFileSync(join(dist, path), 'utf8')
  const target = join(dist, 'cjs', path)
  mkdirSync(dirname(target), { recursive: true })
  writeFileSync(target, text)
  for (const [, found] of text.matchAll(/(?:from|import\()\s*['"](\.[^'"]+)\.js['"]/g)) {
    copyTypes(dist, join(dirname(path), `${found}.d.ts`), done)
  }
}
