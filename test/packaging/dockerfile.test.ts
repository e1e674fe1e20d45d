import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '..', '..')
const dockerfile = (await readFile(join(ROOT, 'Dockerfile'), 'utf8')).replaceAll('\\\n', '')
const instructions = (text: string) => text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
const allowed = (await readFile(join(ROOT, '.dockerignore'), 'utf8'))
  .split('\n')
  .filter((line) => line.startsWith('!'))
  .map((line) => line.slice(1))

/** The last stage is the image. */
const stages = dockerfile.split(/^(?=FROM )/m).map(instructions)
const image = stages.at(-1) ?? []
const production = stages.find(([from]) => from?.endsWith(' AS production')) ?? []

test('the image gets its modules from an install without development and optional packages', () => {
  expect(production).toContain('RUN npm ci --ignore-scripts --omit=dev --omit=optional')
  expect(image.filter((line) => line.includes('node_modules'))).toEqual(['COPY --from=production /app/node_modules ./node_modules'])
  expect(image.filter((line) => line.startsWith('RUN'))).toEqual([])
})

test('the image stops on SIGTERM, starts the command itself and is not root', () => {
  expect(image).toContain('STOPSIGNAL SIGTERM')
  expect(image).toContain('ENTRYPOINT ["node", "dist/cli/main.js"]')
  expect(image).toContain('USER node')
  expect(image).toContain('ENV NODE_ENV=production')
  expect(image.some((line) => line.startsWith('HEALTHCHECK ') && line.includes('/livez'))).toBe(true)
})

test('migrations are in the image, where the build looks for them', () => {
  expect(image).toContain('COPY prisma/migrations ./prisma/migrations')
})

test('whatever is copied exists and is let through by .dockerignore', async () => {
  const sources = stages
    .flat()

    .filter((line) => line.startsWith('COPY ') && !line.includes('--from='))
    .flatMap((line) => line.split(/\s+/).slice(1, -1))
  expect(sources).not.toEqual([])
  expect(sources.filter((source) => !allowed.includes(source.split('/')[0] ?? ''))).toEqual([])
  await Promise.all(sources.map(async (source) => stat(join(ROOT, source))))
})

test('secrets and local data cannot get into the image', async () => {
  const ignored = await readFile(join(ROOT, '.dockerignore'), 'utf8')
  expect(ignored).toMatch(/^\*$/m)
  expect(allowed.filter((each) => /env|git|data/.test(each))).toEqual([])
})
