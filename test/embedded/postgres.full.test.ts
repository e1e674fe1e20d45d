import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { isRoot, isRunning, NOBODY, preparedDirectory, query, serverPid, start, startHolder, temporaryDirectory, urlOf } from './fixture.ts'

test('starts where there was nothing, and keeps data, password and port from one start to the next', async () => {
  const directory = join(await temporaryDirectory(), 'not', 'there yet')
  const first = await start({ directory })
  await query(first.url, 'CREATE TABLE kept AS SELECT 1 AS number')
  await first.close()
  expect(await first.exited).toBe('exit code 0')
  expect(await readdir(directory)).toEqual(['cluster', 'embedded.json'])

  const second = await start({ directory })
  expect(second.url).toBe(first.url)
  expect(await query(second.url, 'SELECT number FROM kept')).toEqual([{ number: 1 }])
})

test('is PostgreSQL 18 on loopback only, with a password, UTF-8, a locale of its own, and safe on disk', async () => {
  const directory = await temporaryDirectory()
  const { url } = await start({ directory, durable: true, settings: { max_connections: '17' } })
  const show = async (name: string) => (await query(url, `SELECT current_setting('${name}') AS value`))[0]?.['value']

  expect(await show('server_version')).toMatch(/^18\./)
  expect(await show('listen_addresses')).toBe('127.0.0.1')
  expect(await show('unix_socket_directories')).toBe('')
  expect(await show('fsync')).toBe('on')
  expect(await show('max_connections')).toBe('17')
  expect(await query(url, `SELECT lower('ÄØ') AS text, 'B' < 'a' AS sorts`)).toEqual([{ text: 'äø', sorts: true }])
  await expect(query(url.replace(/:[^:@]+@/, ':wrong@'), 'SELECT 1')).rejects.toThrow('password authentication failed')
  expect((await stat(join(directory, 'embedded.json'))).mode & 0o777).toBe(0o600)
})

test('close is safe to call twice, and the directory is free afterwards', async () => {
  const directory = await preparedDirectory()
  const server = await start({ directory })
  const pid = await serverPid(directory)
  await Promise.all([server.close(), server.close()])
  await server.close()
  expect(await isRunning(pid)).toBe(false)
  expect(await readdir(directory)).toEqual(['cluster', 'embedded.json'])
})

test('a session that does not end by itself does not hold up the shutdown', async () => {
  const directory = await preparedDirectory()
  const server = await start({ directory })
  const busy = query(server.url, 'SELECT pg_sleep(600)')
  const rejected = expect(busy).rejects.toThrow()
  await server.close()
  await rejected
})

test('a fixed port that is taken is named, and a remembered one is replaced', async () => {
  const directory = await preparedDirectory()
  const first = await start({ directory })
  const port = Number(new URL(first.url).port)
  await first.close()
  const other = createServer().listen(port, '127.0.0.1')
  try {
    await expect(start({ directory, port })).rejects.toThrow(`port ${port} on 127.0.0.1 is taken`)
    const moved = await start({ directory })
    expect(new URL(moved.url).port).not.toBe(String(port))
    await moved.close()
    const again = await start({ directory })
    expect(again.url).toBe(moved.url)
  } finally {
    other.close()
  }
})

test('a second start in the same directory is refused with the process that has it', async () => {
  const directory = await preparedDirectory()
  const { url } = await start({ directory })
  await expect(start({ directory })).rejects.toMatchObject({
    code: 'EMBEDDED_UNAVAILABLE',
    message: expect.stringContaining(`process ${process.pid} already runs it in ${directory}`),
  })
  expect(await query(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
})

test('of two processes that start at once, one gets it and the other is refused', async () => {
  const directory = await temporaryDirectory()
  const holders = [startHolder({ directory }), startHolder({ directory })]
  const lines = await Promise.all(holders.map((holder) => holder.waitForLine(/^(ready|refused) /, 60_000)))
  expect(lines.filter((line) => line.startsWith('ready '))).toHaveLength(1)
  expect(lines.find((line) => line.startsWith('refused '))).toMatch(/already runs it in .* Stop that process first/)
})

test("another major version's data is left alone, with a message that names both", async () => {
  const directory = await preparedDirectory()
  await writeFile(join(directory, 'cluster', 'PG_VERSION'), '16\n')
  await expect(start({ directory })).rejects.toThrow(/was made by PostgreSQL 16, and this version of the tracker brings PostgreSQL 18/)
  expect(await readFile(join(directory, 'cluster', 'PG_VERSION'), 'utf8')).toBe('16\n')
})

test('something else in the place of the data is left alone', async () => {
  const directory = await temporaryDirectory(isRoot ? NOBODY : undefined)
  await mkdir(join(directory, 'cluster'))
  await writeFile(join(directory, 'cluster', 'thesis.txt'), 'years of work')
  await expect(start({ directory })).rejects.toMatchObject({ code: 'EMBEDDED_UNAVAILABLE' })
  expect(await readdir(join(directory, 'cluster'))).toEqual(['thesis.txt'])
})

test.runIf(isRoot)('as an unprivileged user it runs as that user, and root can take over later', async () => {
  const directory = await temporaryDirectory(NOBODY)
  const holder = startHolder({ directory, user: NOBODY })
  await query(await urlOf(holder), 'CREATE TABLE kept AS SELECT 1 AS number')
  holder.kill('SIGINT')
  expect(await holder.exit).toEqual({ code: 0, signal: null })

  const { url } = await start({ directory })
  expect(await query(url, 'SELECT number FROM kept')).toEqual([{ number: 1 }])
  expect((await stat(join(directory, 'cluster'))).uid).toBe(NOBODY.uid)
})

test.runIf(isRoot)("root's directory is refused to another user with a message that names the owner", async () => {
  const directory = await preparedDirectory()
  const holder = startHolder({ directory, user: NOBODY })
  expect(await holder.waitForLine(/^(ready|refused) /)).toMatch(/owner.json cannot be written \(EACCES\)/)
})

test.runIf(isRoot)(
  'as root in a directory that only root may enter, the data goes to a system directory, and is found there again',
  async () => {
    const systemDirectory = join(await temporaryDirectory(), 'system')
    const closed = await temporaryDirectory()
    await chmod(closed, 0o700)
    const directory = join(closed, 'data')
    const log: string[] = []
    const first = await start({ directory, systemDirectory, onLog: (line) => log.push(line) })
    await query(first.url, 'CREATE TABLE kept AS SELECT 1 AS number')
    await first.close()
    expect(log.join('\n')).toMatch(`the data is in ${systemDirectory}`)
    expect(await readdir(directory)).toEqual(['embedded.json'])

    const second = await start({ directory, systemDirectory })
    expect(await query(second.url, 'SELECT number FROM kept')).toEqual([{ number: 1 }])
  },
)

test.runIf(isRoot)('a strict umask of root does not lock PostgreSQL out of what it needs', async () => {
  const directory = join(await temporaryDirectory(), 'not', 'there yet')
  const holder = startHolder({ directory, umask: 0o077 })
  await urlOf(holder)
  expect(await readdir(directory)).toEqual(['cluster', 'embedded.json', 'owner.json'])
})

test.runIf(isRoot)('as root where no directory can be entered, the message names where to move', async () => {
  const closed = await temporaryDirectory()
  await chmod(closed, 0o700)
  const failing = start({ directory: join(closed, 'data'), systemDirectory: join(closed, 'system') })
  await expect(failing).rejects.toThrow(/may not enter .* Move the project to a directory that everyone may enter/)
})
