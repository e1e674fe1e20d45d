// Writes the pictures of README.md and docs/ in docs/images: `overview-*` and `campaign-*` by scripts/screenshots.mjs, and `hr-*` by the
// test of the HR day, which plays it whole against the simulator (two minutes) and checks every figure. Needs PostgreSQL and Chromium as the
// tests do, and a font with Chinese characters.
import { spawnSync } from 'node:child_process'
import { readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const images = join(root, 'docs', 'images')
const MAX_BYTES = 250_000
/** Every clone and every installation has them. */
const MAX_BYTES_OF_ALL = 2_500_000

const fonts = spawnSync('fc-list', [':lang=zh'], { encoding: 'utf8' })
if (fonts.error !== undefined || fonts.stdout.trim() === '') {
  fail(
    'NO FONT WITH CHINESE CHARACTERS: the pictures would show boxes instead of words. Install one first, such as:\n' +
      '  apt-get install --no-install-recommends fonts-noto-cjk fontconfig',
  )
}

const startedAt = Date.now()
run([process.execPath, join('scripts', 'screenshots.mjs')])
run(['npm', 'exec', '--no', '--', 'vitest', 'run', '--project', 'browser', 'test/browser/hr-day.test.ts'], { PICTURES: images })

// Those of steps that are no more.
for (const name of readdirSync(images)) if (statSync(join(images, name)).mtimeMs < startedAt) rmSync(join(images, name))

const sizes = readdirSync(images).map((name) => ({ name, size: statSync(join(images, name)).size }))
for (const { name, size } of sizes) console.log(`${name} ${Math.round(size / 1_000)} kB`)
const large = sizes.filter(({ size }) => size > MAX_BYTES)
if (large.length > 0) fail(`larger than ${MAX_BYTES} bytes: ${large.map(({ name }) => name).join(', ')}`)
const sum = sizes.reduce((bytes, { size }) => bytes + size, 0)
if (sum > MAX_BYTES_OF_ALL) fail(`all pictures have ${sum} bytes, more than ${MAX_BYTES_OF_ALL}`)

/**
 * @param {[string, ...string[]]} command
 * @param {Record<string, string>} env
 */
function run([command, ...args], env = {}) {
  const { status } = spawnSync(command, args, { cwd: root, env: { ...process.env, ...env }, stdio: 'inherit' })
  if (status !== 0) fail(`failed: ${command} ${args.join(' ')}`)
}

/**
 * @param {string} message
 * @returns {never}
 */
function fail(message) {
  console.error(message)
  process.exit(1)
}
