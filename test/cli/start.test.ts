import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startApiPageServer } from '../support/api-page-server.ts'
import { runCli, startCli } from '../support/process.ts'
import { until } from '../support/wait.ts'

const TIME_SCALE = 1_440
const DAY_MS = 86_400_000 / TIME_SCALE
const TASK = '9007199254740993123'
const PATIENCE_MS = 40_000

test('start needs nothing: what is tracked over HTTP is polled, in one process with its own PostgreSQL', { timeout: 120_000 }, async () => {
  const cwd = await aDirectory()
  const dingtalk = await startApiPageServer()
  onTestFinished(() => dingtalk.close())
  const env = {
    ...{ DINGTALK_OAPI_URL: dingtalk.url, DINGTALK_API_URL: dingtalk.url },
    ...{ DINGTALK_APP_KEY: 'key', DINGTALK_APP_SECRET: 'secret', DINGTALK_AGENT_ID: '836390886' },
    ...{ TIME_SCALE: String(TIME_SCALE), PORT: '0', HEALTH_PORT: '0' },
  }
  const started = startCli(['start'], { cwd, env })
  const [dashboard = ''] = /http:\/\/[\w.]+:\d+/.exec(await started.waitForLine(/^Dashboard: /, PATIENCE_MS)) ?? []
  const [health = ''] = /http:\/\/[\w.]+:\d+/.exec(await started.waitForLine(/^Working\./, PATIENCE_MS)) ?? []
  expect(started.stdout()).toBe('')

  const sentAt = Date.now()
  const read = { fate: 'delivered' as const, listedAt: sentAt, readAt: sentAt }
  dingtalk.add({
    taskId: TASK,
    agentId: '836390886',
    sentAt,
    windowMs: DAY_MS,
    people: [
      { userId: 'ann', ...read },
      { userId: 'bob', ...read },
    ],
  })
  const tracked = await fetch(`${dashboard}/v1/tasks`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ taskId: TASK, userIds: ['ann', 'bob'], campaign: 'payroll-11', sentAt }),
  })
  expect(tracked.status).toBe(202)
  const task = await until(
    async () => {
      const told = (await (await fetch(`${dashboard}/v1/tasks/${TASK}`)).json()) as Record<string, unknown>
      return told['status'] === 'complete' && told
    },
    { timeoutMs: PATIENCE_MS, what: 'the task is complete' },
  )
  expect(task).toMatchObject({ targeted: 2, read: 2, readRate: 1 })

  for (const origin of [dashboard, health]) {
    const ready = (await (await fetch(`${origin}/readyz`)).json()) as { ok: boolean; checks: Array<{ name: string }> }
    expect([ready.ok, ready.checks.slice(0, 4).map(({ name }) => name)]).toEqual([true, ['database', 'schema', 'queue', 'consumption']])
    // The worker and the server of one process have one page.
    const metrics = await (await fetch(`${origin}/metrics`)).text()
    expect(metrics).toMatch(/^dingtalk_delivery_polls_total\{app="default",outcome="observed"\} [1-9]/m)
    expect(metrics).toMatch(/^dingtalk_delivery_http_requests_total\{.*route="\/v1\/tasks".*\} 1$/m)
  }
  expect((await runCli(['show', TASK], { cwd })).stdout).toMatch(/^Status +complete$/m)

  started.kill('SIGTERM')
  expect(await started.exit).toEqual({ code: 0, signal: null })
  expect(await runCli(['show', TASK], { cwd })).toMatchObject({ code: 1, stderr: expect.stringContaining('is not running') })
})

/** That others may enter: PostgreSQL never runs as root. */
async function aDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'dingtalk-delivery-start-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }))
  await chmod(directory, 0o755)
  return directory
}
