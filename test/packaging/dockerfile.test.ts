import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readDockerfile, valuesOf, wordsOf } from './support/dockerfile.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const ignored = await readFile(join(ROOT, '.dockerignore'), 'utf8')
const allowed = ignored
  .split('\n')
  .filter((line) => line.startsWith('!'))
  .map((line) => line.slice(1))

const { args, stages } = await readDockerfile()
/** The last stage is the image. */
const image = stages.at(-1)
const production = stages.find(({ name }) => name === 'production')

test('the image gets its modules from an install without development and optional packages', () => {
  expect(valuesOf(production, 'RUN')).toContain('npm ci --ignore-scripts --omit=dev --omit=optional')
  expect(valuesOf(image, 'COPY').filter((line) => line.includes('/node_modules ./'))).toEqual([
    '--from=production /app/node_modules ./node_modules',
  ])
  expect(valuesOf(image, 'RUN')).toEqual([])
})

test('the image stops on SIGTERM, starts the command itself and is not root, which its number shows', () => {
  expect(valuesOf(image, 'STOPSIGNAL')).toEqual(['SIGTERM'])
  expect(wordsOf(image, 'ENTRYPOINT')).toEqual(['dingtalk-delivery'])
  expect(valuesOf(image, 'USER')).toEqual(['1000:1000'])
  expect(valuesOf(image, 'ENV').join(' ')).toContain('NODE_ENV=production')
})

test('its health check is the script that knows every command', () => {
  expect(valuesOf(image, 'HEALTHCHECK')).toEqual([expect.stringMatching(/ CMD \["node", "\/app\/healthcheck\.mjs"\]$/)])
  expect(valuesOf(image, 'COPY')).toContain('deploy/docker/healthcheck.mjs ./')
})

test('a mirror of images and one of packages are arguments of the build', () => {
  expect(args).toEqual(['NODE_IMAGE=node:24-bookworm-slim'])
  // Another image than the argument, or a stage of the file itself.
  const names = new Set(stages.map(({ name }) => name))
  expect(stages.map(({ from }) => from).filter((from) => from !== '${NODE_IMAGE}' && !names.has(from))).toEqual([])
  const installing = stages.filter((stage) => valuesOf(stage, 'RUN').some((line) => line.startsWith('npm ci')))
  expect(installing.map((stage) => valuesOf(stage, 'ARG'))).toEqual([['NPM_CONFIG_REGISTRY'], ['NPM_CONFIG_REGISTRY']])
})

test('whatever is copied exists and is let through by .dockerignore', async () => {
  const sources = stages
    .flatMap((stage) => valuesOf(stage, 'COPY'))
    .filter((line) => !line.includes('--from='))
    .flatMap((line) => line.split(/\s+/).slice(0, -1))
  expect(sources).not.toEqual([])
  expect(sources.filter((source) => !allowed.includes(source.split('/')[0] ?? ''))).toEqual([])
  await Promise.all(sources.map(async (source) => stat(join(ROOT, source))))
})

test('secrets and local data cannot get into the image', () => {
  expect(ignored).toMatch(/^\*$/m)
  expect(allowed.filter((each) => /env|git|data|secret/.test(each))).toEqual([])
})
