import { spawnSync } from 'node:child_process'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { type NodeProcess, runCli, startCli } from '../support/process.ts'

/** docs/backup.md: the data of `start` is a folder, copied while it is stopped. */

const ENV = {
  DINGTALK_ACCESS_TOKEN: 'token',
  DINGTALK_AGENT_ID: '836390886',
  DINGTALK_OAPI_URL: 'http://127.0.0.1:9',
  PORT: '0',
  HEALTH_PORT: '0',
}
const TASK = '256271667526'

test('start goes on with a copy of its folder in another place', { timeout: 300_000 }, async () => {
  const [first, second] = [await aDirectory(), await aDirectory()]
  const started = await start(first)
  const tracked = ['track', TASK, '--user', 'ann', '--campaign', 'payroll-11', '--sent-at', new Date().toISOString()]
  expect(await runCli(tracked, { cwd: first, env: ENV })).toMatchObject({ code: 0, stdout: 'tracking\n' })
  started.kill('SIGTERM')
  expect(await started.exit).toMatchObject({ code: 0 })

  const copied = spawnSync('cp', ['-a', join(first, '.data'), second], { encoding: 'utf8' })
  expect(copied.status, copied.stderr).toBe(0)
  // What comes back is the copy and not the original.
  await rm(join(first, '.data'), { recursive: true })

  const again = await start(second)
  const shown = await runCli(['show', TASK, '--json'], { cwd: second, env: ENV })
  expect([shown.code, JSON.parse(shown.stdout)]).toMatchObject([0, { taskId: TASK, campaign: 'payroll-11', status: 'tracking' }])
  again.kill('SIGTERM')
  expect(await again.exit).toMatchObject({ code: 0 })
})

async function start(cwd: string): Promise<NodeProcess> {
  const started = startCli(['start'], { cwd, env: ENV })
  await started.waitForLine(/^Working\./, 120_000)
  return started
}

async function aDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'copied-'))
  // As root, PostgreSQL runs as another user.
  await chmod(directory, 0o711)
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  return directory
}
