import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { parseConfig } from '../../src/app/config/config.ts'
import { startHealthServer } from '../../src/web/health.ts'
import { type Block, ROOT, sharedBlocksIn } from './support/pages.ts'

const KINDS: ReadonlyArray<{ readonly has: string; readonly check: (block: Block) => Promise<void> }> = [
  { has: 'scrape_configs', check: isOfTheExample },
  { has: 'readinessProbe', check: asksWhatIsThere },
]

test.each(sharedBlocksIn('yaml').map((block) => ({ ...block })))('$at is what the page says', async (block) => {
  const value: unknown = parse(block.text)
  const kinds = KINDS.filter(({ has }) => typeof value === 'object' && value !== null && has in value)
  expect(kinds, 'exactly one kind of example that this test knows').toHaveLength(1)
  await kinds[0]?.check(block)
})

async function isOfTheExample({ text }: Block): Promise<void> {
  const example = z
    .looseObject({ scrape_configs: z.array(z.unknown()) })
    .parse(parse(readFileSync(join(ROOT, 'deploy/prometheus/prometheus.yml'), 'utf8')))
  expect(parse(text)).toEqual({ scrape_configs: example.scrape_configs })
  expect(text).toContain(`"127.0.0.1:${parseConfig({}).healthPort}"`)
}

const Probe = z.object({
  httpGet: z.object({ path: z.string(), port: z.literal(parseConfig({}).healthPort) }),
  timeoutSeconds: z.number().default(1),
})

async function asksWhatIsThere({ text }: Block): Promise<void> {
  const { livenessProbe, readinessProbe } = z.object({ livenessProbe: Probe, readinessProbe: Probe }).parse(parse(text))
  const server = await startHealthServer({
    host: '127.0.0.1',
    port: 0,
    checks: async () => ({ ok: false, checks: [] }),
    metrics: async () => '',
  })
  onTestFinished(() => server.close())
  const statuses = await Promise.all(
    [livenessProbe, readinessProbe].map(async ({ httpGet }) => (await fetch(server.url + httpGet.path)).status),
  )
  expect(statuses).toEqual([200, 503])
  // Longer than the checks take at most, else a prober gives up before it is told what is wrong.
  expect(readinessProbe.timeoutSeconds).toBeGreaterThan(2)
}
