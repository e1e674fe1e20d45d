import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { CANARIES } from './canaries.ts'
import { freePort } from './free-port.ts'
import { type RedisServer, startRedis, type TlsFiles, tlsConfig } from './redis-server.ts'
import { until } from './wait.ts'

/** Several servers of Redis that replace each other. */
export interface RedisGroup {
  /** Of the worker of deploy/redis/users.acl. */
  readonly url: string
  /** Of each server that holds data, of the admin. */
  readonly adminUrls: readonly string[]
  /** That of the primary which holds the queue. */
  primary(): RedisServer
  /** Kills the primary of the queue. Resolves when another server has taken its place. */
  failover(): Promise<void>
  /** Kills all servers that hold data. */
  away(): Promise<void>
  /** Starts them again, with their data. */
  back(): Promise<void>
  stop(): Promise<void>
}

const WORKER = `delivery_worker:${CANARIES.redisPassword}`
/** A failover takes a few seconds, and not the quarter of a minute of the defaults. */
const DOWN_AFTER_MS = 1_500
/** As the replicas and the sentinels log in at the servers. */
const ADMIN = { masteruser: 'delivery_admin', masterauth: CANARIES.redisPassword }

async function command(url: string, ...args: [string, ...Array<string | number>]): Promise<unknown> {
  const redis = new Redis(url, { maxRetriesPerRequest: 0, retryStrategy: () => null })
  redis.on('error', () => undefined)
  try {
    return await redis.call(...args)
  } finally {
    redis.disconnect()
  }
}

async function killAll(servers: readonly RedisServer[]): Promise<void> {
  await Promise.all(servers.map((server) => server.kill('SIGKILL')))
}

async function restartAll(servers: readonly RedisServer[]): Promise<void> {
  await Promise.all(servers.map((server) => server.restart()))
}

async function replicates(replica: RedisServer): Promise<void> {
  const isUp = async () => String(await command(replica.adminUrl, 'INFO', 'replication')).includes('master_link_status:up')
  await until(isUp, { what: 'the replica has the data of its primary' })
}

/** Three primaries, and a replica of the one that holds the keys of the queue. With `tls` clients and nodes reach each other over TLS. */
export async function startCluster(tls?: TlsFiles): Promise<RedisGroup> {
  const servers = await Promise.all(Array.from({ length: 4 }, () => startNode(tls)))
  const [first, second, third, replica] = servers
  if (first === undefined || second === undefined || third === undefined || replica === undefined)
    throw new Error('four nodes were started')
  const primaries = [first, second, third]
  const all = servers.map(({ server }) => server)
  const stop = async () => void (await Promise.all(servers.map(({ server }) => server.stop())))
  try {
    for (const [i, { server }] of primaries.entries()) {
      const from = Math.ceil((16_384 * i) / 3)
      await command(server.adminUrl, 'CLUSTER', 'ADDSLOTSRANGE', from, Math.ceil((16_384 * (i + 1)) / 3) - 1)
      await command(server.adminUrl, 'CLUSTER', 'SET-CONFIG-EPOCH', i + 1)
    }
    for (const { server, busPort } of [second, third, replica])
      await command(first.server.adminUrl, 'CLUSTER', 'MEET', '127.0.0.1', server.peerPort, busPort)
    await Promise.all(servers.map(({ server }) => knowsAll(server)))
    const slot = Number(await command(first.server.adminUrl, 'CLUSTER', 'KEYSLOT', '{bull}:dingtalk-delivery:meta'))
    const owner = primaries[Math.floor((slot * 3) / 16_384)] ?? first
    await command(replica.server.adminUrl, 'CLUSTER', 'REPLICATE', String(await command(owner.server.adminUrl, 'CLUSTER', 'MYID')))
    await replicates(replica.server)
    return {
      // One that is not the owner: it is killed, and a client must find the others by itself.
      url: `${schemeOf(tls)}+cluster://${WORKER}@${primaries.map(({ server }) => `127.0.0.1:${server.peerPort}`).join(',')}`,
      adminUrls: servers.map(({ server }) => server.adminUrl),
      primary: () => owner.server,
      async failover() {
        await owner.server.kill('SIGKILL')
        const isPrimary = async () => String(await command(replica.server.adminUrl, 'INFO', 'replication')).includes('role:master')
        await until(isPrimary, { what: 'the replica is the primary', timeoutMs: 60_000 })
      },
      away: () => killAll(all),
      back: () => restartAll(all),
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

const schemeOf = (tls: TlsFiles | undefined): 'redis' | 'rediss' => (tls === undefined ? 'redis' : 'rediss')

async function startNode(tls: TlsFiles | undefined): Promise<{ server: RedisServer; busPort: number }> {
  const busPort = await freePort()
  const server = await startRedis({
    users: true,
    tls,
    config: {
      ...ADMIN,
      ...(tls !== undefined && { 'tls-cluster': 'yes' }),
      'cluster-enabled': 'yes',
      'cluster-port': String(busPort),
      'cluster-node-timeout': String(DOWN_AFTER_MS),
    },
  })
  return { server, busPort }
}

async function knowsAll(server: RedisServer): Promise<void> {
  const isComplete = async () => {
    const info = String(await command(server.adminUrl, 'CLUSTER', 'INFO'))
    return info.includes('cluster_state:ok') && info.includes('cluster_known_nodes:4')
  }
  await until(isComplete, { what: 'a node knows the cluster' })
}

export const MASTER_NAME = 'delivery'

export interface SentinelGroup extends RedisGroup {
  readonly sentinelPorts: readonly number[]
}

/** A primary, a replica and three sentinels, which want a password of their own. With `tls` all of them reach each other over TLS. */
export async function startSentinels(tls?: TlsFiles): Promise<SentinelGroup> {
  const primary = await startRedis({ users: true, tls, config: ADMIN })
  const replica = await startRedis({ users: true, tls, config: { ...ADMIN, replicaof: `127.0.0.1 ${primary.peerPort}` } })
  const all = [primary, replica]
  const dir = await mkdtemp(join(tmpdir(), 'dingtalk-delivery-sentinels-'))
  const sentinels: Sentinel[] = []
  const stop = async () => {
    for (const { child } of sentinels) child.kill('SIGKILL')
    await Promise.all([primary.stop(), replica.stop()])
    await rm(dir, { recursive: true, force: true })
  }
  try {
    await replicates(replica)
    for (let i = 0; i < 3; i++) sentinels.push(await startSentinel(join(dir, `${i}.conf`), primary.peerPort, tls))
    await Promise.all(sentinels.map(knowsTheOthers))
    const hosts = sentinels.map(({ peerPort }) => `127.0.0.1:${peerPort}`).join(',')
    return {
      url: `${schemeOf(tls)}+sentinel://${WORKER}@${hosts}/${MASTER_NAME}?sentinel_password=${CANARIES.redisPassword}`,
      adminUrls: [primary.adminUrl, replica.adminUrl],
      sentinelPorts: sentinels.map(({ port }) => port),
      primary: () => primary,
      async failover() {
        await primary.kill('SIGKILL')
        const isPrimary = async () => String(await command(replica.adminUrl, 'INFO', 'replication')).includes('role:master')
        await until(isPrimary, { what: 'the replica is the primary', timeoutMs: 60_000 })
      },
      away: () => killAll(all),
      back: () => restartAll(all),
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

interface Sentinel {
  readonly child: ChildProcess
  readonly port: number
  readonly peerPort: number
  readonly url: string
}

/** The plain program is a sentinel too. It writes into its configuration. */
async function startSentinel(file: string, primaryPort: number, tls: TlsFiles | undefined): Promise<Sentinel> {
  const port = await freePort()
  const tlsPort = tls === undefined ? null : await freePort()
  const secure = tls === undefined || tlsPort === null ? {} : tlsConfig(tls, tlsPort)
  const lines = [
    ...[`port ${port}`, 'bind 127.0.0.1', `requirepass ${CANARIES.redisPassword}`, `sentinel sentinel-pass ${CANARIES.redisPassword}`],
    ...Object.entries(secure).map(([name, value]) => `${name} ${value}`),
    `sentinel monitor ${MASTER_NAME} 127.0.0.1 ${primaryPort} 2`,
    `sentinel auth-user ${MASTER_NAME} ${ADMIN.masteruser}`,
    `sentinel auth-pass ${MASTER_NAME} ${ADMIN.masterauth}`,
    `sentinel down-after-milliseconds ${MASTER_NAME} ${DOWN_AFTER_MS}`,
    `sentinel failover-timeout ${MASTER_NAME} 10000`,
  ]
  await writeFile(file, lines.join('\n'))
  const child = spawn('redis-server', [file, '--sentinel'], { stdio: 'ignore' })
  const atExit = () => void child.kill('SIGKILL')
  process.once('exit', atExit)
  child.once('exit', () => process.off('exit', atExit))
  return { child, port, peerPort: tlsPort ?? port, url: `redis://:${CANARIES.redisPassword}@127.0.0.1:${port}` }
}

async function knowsTheOthers({ url }: Sentinel): Promise<void> {
  const isComplete = async () =>
    String(await command(url, 'INFO', 'sentinel')).includes('status=ok,address=127.0.0.1') && (await others(url)) === 2
  await until(isComplete, { what: 'a sentinel knows the others and the replica' })
}

async function others(url: string): Promise<number> {
  const [replicas, sentinels] = await Promise.all([
    command(url, 'SENTINEL', 'REPLICAS', MASTER_NAME),
    command(url, 'SENTINEL', 'SENTINELS', MASTER_NAME),
  ])
  return Array.isArray(replicas) && replicas.length === 1 && Array.isArray(sentinels) ? sentinels.length : 0
}
