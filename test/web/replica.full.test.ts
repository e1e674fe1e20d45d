import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { createRates } from '../../src/rates.ts'
import { migrate } from '../../src/store/migrate.ts'
import { startCommand } from '../support/commands.ts'
import { describeInstalledPostgres, type InstalledPostgres, startInstalledPostgres } from '../support/installed-postgres.ts'
import { execute, query } from '../support/postgres.ts'
import { until } from '../support/wait.ts'

const TOKEN = 'a-token-of-the-replica-0123456789'
const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }

/** What docs/scaling.md says of a read replica. */
describeInstalledPostgres('with a streaming replica', () => {
  let [primary, replica]: Array<InstalledPostgres | undefined> = []
  const urlOf = (server: InstalledPostgres | undefined): string => server?.url ?? 'not started'

  beforeAll(async () => {
    primary = await startInstalledPostgres()
    await migrate(primary.url)
    replica = await primary.standby()
    await execute(
      primary.url,
      "SELECT dingtalk.track_delivery(task_id => '7', agent_id => '836390886', user_ids => ARRAY['ann'], campaign => 'payroll-11')",
    )
    await until(async () => (await query(urlOf(replica), 'SELECT FROM dingtalk.delivery_task')).length === 1, {
      what: 'the replica has it',
    })
  })
  afterAll(async () => {
    await replica?.stop()
    await primary?.stop()
  })

  test('serve answers pages, JSON, probes and metrics from it, and refuses what writes', async () => {
    const server = startCommand(['serve'], {
      env: { DATABASE_URL: urlOf(replica), API_TOKEN: TOKEN, PORT: '0' },
      onTestFinished,
    })
    const line = await server.waitForLine(/http:\/\/127\.0\.0\.1:\d+/)
    const base = /http:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0] ?? ''
    const get = async (path: string) => {
      const response = await fetch(`${base}${path}`, { headers })
      return { status: response.status, text: await response.text() }
    }
    for (const path of ['/', '/v1/tasks/7', '/v1/campaigns', '/v1/campaigns/payroll-11', '/v1/apps', '/metrics', '/livez', '/readyz'])
      expect([path, (await get(path)).status]).toEqual([path, 200])
    expect((await get('/v1/campaigns/payroll-11')).text).toContain('"pending":1')
    const refused = await fetch(`${base}/v1/tasks`, { method: 'POST', headers, body: JSON.stringify({ taskId: '8' }) })
    expect([refused.status, await refused.text()]).toEqual([503, expect.stringContaining('DATABASE_UNAVAILABLE')])
  })

  test('createRates reads from it', async () => {
    const rates = createRates({ databaseUrl: urlOf(replica) })
    onTestFinished(() => rates.close())
    expect(await rates.campaign('payroll-11')).toMatchObject({ pending: 1 })
  })
})
