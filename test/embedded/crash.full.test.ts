import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { until } from '../support/wait.ts'
import {
  groupOf,
  isRunning,
  preparedDirectory,
  query,
  serverPid,
  start,
  startHolder,
  temporaryDirectory,
  urlOf,
  watchdogsOf,
} from './fixture.ts'

async function holderWithData() {
  const directory = await preparedDirectory()
  const holder = startHolder({ directory })
  await query(await urlOf(holder), 'UPDATE kept SET number = 2')
  const pid = await serverPid(directory)
  onTestFinished(async () => {
    if (await isRunning(pid)) process.kill(pid, 'SIGKILL')
  })
  return { directory, holder, pid }
}

async function expectDataIn(directory: string, options: { readonly stopWithinMs?: number } = {}) {
  const { url } = await start({ directory, ...options })
  expect(await query(url, 'SELECT number FROM kept')).toEqual([{ number: 2 }])
}

test('when its parent is killed the server shuts down by itself, and the next start has the data', async () => {
  const { directory, holder, pid } = await holderWithData()
  holder.kill('SIGKILL')
  await holder.exit
  await until(async () => !(await isRunning(pid)), { what: 'the server has ended' })
  await expectDataIn(directory)
})

test('a program that comes to its end without closing is not kept alive, and its server shuts down', async () => {
  const directory = await preparedDirectory()
  const holder = startHolder({ directory, forgets: true })
  expect(await holder.exit).toEqual({ code: 0, signal: null })
  expect(holder.stdout()).toMatch(/^ready /)
  await until(async () => !(await readdir(join(directory, 'cluster'))).includes('postmaster.pid'), { what: 'the server has ended' })
})

test('a server that outlived its parent and the watchdog is stopped by the next start', async () => {
  const { directory, holder, pid } = await holderWithData()
  const watchdogs = await watchdogsOf(holder.pid)
  expect(watchdogs).toHaveLength(1)
  for (const watchdog of watchdogs) process.kill(watchdog, 'SIGKILL')
  holder.kill('SIGKILL')
  await holder.exit
  expect(await isRunning(pid)).toBe(true)
  await expectDataIn(directory)
  expect(await isRunning(pid)).toBe(false)
})

test('a server that hangs and has lost its parent is stopped too', async () => {
  const { directory, holder, pid } = await holderWithData()
  process.kill(pid, 'SIGSTOP')
  holder.kill('SIGKILL')
  await holder.exit
  await expectDataIn(directory, { stopWithinMs: 300 })
  expect(await isRunning(pid)).toBe(false)
})

test('everything killed at once, as by a power cut', async () => {
  const { directory, holder, pid } = await holderWithData()
  const watchdogs = await watchdogsOf(holder.pid)
  for (const each of [holder.pid, ...watchdogs, pid]) process.kill(each, 'SIGKILL')
  await holder.exit
  await expectDataIn(directory)
})

test('a killed server is reported, and the directory can be used again at once', async () => {
  const directory = await preparedDirectory()
  const server = await start({ directory })
  await query(server.url, 'UPDATE kept SET number = 2')
  const busy = query(server.url, 'SELECT pg_sleep(600)')
  busy.catch(() => undefined)
  process.kill(await serverPid(directory), 'SIGKILL')
  expect(await server.exited).toBe('signal SIGKILL')
  await server.close()
  await expectDataIn(directory)
})

test('a lock file that names a process which is something else by now is passed over, and that process lives', async () => {
  const directory = await preparedDirectory()
  const server = await start({ directory })
  await query(server.url, 'UPDATE kept SET number = 2')
  const lockFile = join(directory, 'cluster', 'postmaster.pid')
  const left = await readFile(lockFile, 'utf8')
  const { uid, gid } = await stat(lockFile)
  await server.close()
  const stranger = spawn('sleep', ['600'], { uid, gid })
  onTestFinished(() => void stranger.kill('SIGKILL'))
  await once(stranger, 'spawn')
  await writeFile(lockFile, left.replace(/^\d+/, String(stranger.pid)))

  await expectDataIn(directory)
  expect(stranger.exitCode ?? stranger.signalCode).toBeNull()
})

test('killed while it was making the cluster, it makes it anew', async () => {
  const directory = await temporaryDirectory()
  const holder = startHolder({ directory })
  const unfinished = async () => (await readdir(directory)).filter((name) => name.startsWith('cluster.new-'))
  await until(async () => (await unfinished()).length > 1, { what: 'initdb is at work', everyMs: 1 })
  holder.kill('SIGKILL')
  await holder.exit

  const { url } = await start({ directory })
  expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  expect(await readdir(directory)).toEqual(['cluster', 'embedded.json', 'owner.json'])
})

test("a process's claim is not held against another that has its id now", async () => {
  const directory = await preparedDirectory()
  await writeFile(join(directory, 'owner.json'), JSON.stringify({ pid: process.pid, startedAt: 'another time' }))
  await start({ directory })
  expect(JSON.parse(await readFile(join(directory, 'owner.json'), 'utf8'))).toMatchObject({ pid: process.pid })
})

test('a claim that was half written is taken over', async () => {
  const directory = await preparedDirectory()
  await writeFile(join(directory, 'owner.json'), '{"pid":')
  const { url } = await start({ directory })
  expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
})

test('Ctrl-C in a terminal reaches the program and not the server, which the program can use until it closes', async () => {
  const { directory, holder, pid } = await holderWithData()
  const group = [holder.pid, ...(await watchdogsOf(holder.pid)), pid]
  const groups = await Promise.all(group.map(groupOf))
  expect(new Set(groups).size).toBe(3)
  holder.kill('SIGINT')
  expect(await holder.exit).toEqual({ code: 0, signal: null })
  expect(holder.stdout()).toContain('still here')
  await expectDataIn(directory)
})
