// Writes the Prisma client to src/store/generated. Works without Prisma's download host and on every platform.
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const require = createRequire(import.meta.url)
const manifest = require.resolve('prisma/package.json')
const cli = join(dirname(manifest), require(manifest).bin.prisma)

// `generate` only polls whether the schema engine is there and never starts it: any file that exists saves the download.
const { status } = spawnSync(process.execPath, [cli, 'generate', '--no-hints'], {
  cwd: join(import.meta.dirname, '..'),
  env: { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: 'package.json', CHECKPOINT_DISABLE: '1' },
  stdio: ['ignore', 'ignore', 'inherit'],
})
process.exit(status ?? 1)
