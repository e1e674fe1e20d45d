import { expect, test } from 'vitest'
import { parseConfig } from '../../src/config.ts'
import { startSimulator } from '../../src/simulator/simulator.ts'
import { type Block, blocksIn } from './support/pages.ts'

const KINDS: ReadonlyArray<{ readonly has: string; readonly check: (block: Block) => Promise<void> }> = [
  { has: 'apps', check: isAppsFile },
  { has: 'recipients', check: isTruth },
]

test.each(blocksIn('json').map((block) => ({ ...block })))('$at is what the page says', async (block) => {
  const value: unknown = JSON.parse(block.text)
  const kinds = KINDS.filter(({ has }) => typeof value === 'object' && value !== null && has in value)
  expect(kinds, 'exactly one kind of example that this test knows').toHaveLength(1)
  await kinds[0]?.check(block)
})

async function isAppsFile({ text }: Block): Promise<void> {
  const { apps } = parseConfig({ DINGTALK_APPS_FILE: 'apps.json' }, () => text)
  expect(apps).toMatchObject([
    { name: 'hr', agentId: '836390886', monthlyCallBudget: 4000, credentials: { kind: 'internal' } },
    { name: 'acme', oapiUrl: 'https://oapi.dingtalk.com', credentials: { kind: 'thirdParty' } },
  ])
}

/** The same fields as a real answer, in the same order. */
async function isTruth({ text }: Block): Promise<void> {
  const simulator = await startSimulator({ timeScale: 1440 })
  try {
    simulator.createTask({ taskId: '256271667526', recipients: [{ userId: 'ann-fast' }, { userId: 'bob-never', fate: 'never' }] })
    const response = await fetch(`${simulator.url}/_simulator/tasks/256271667526`)
    expect(namesIn(JSON.parse(text))).toEqual(namesIn(await response.json()))
  } finally {
    await simulator.close()
  }
}

function namesIn(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(namesIn)
  if (typeof value !== 'object' || value === null) return null
  return Object.entries(value).map(([name, inner]) => [name, namesIn(inner)])
}
