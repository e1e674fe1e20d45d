import type { Finding } from '../lib/finding.ts'
import { showServers, splitServers } from '../lib/queue-shards.ts'
import { inspectQueue } from './inspect.ts'
import { appQueues, type OpenedQueues, type ShardedAddress } from './shards.ts'

/** Checks each server of the queues. Never rejects. */
export async function inspectQueues(address: ShardedAddress): Promise<Finding[]> {
  const servers = splitServers(address.url)
  const [first = address] = appQueues(address)
  const findings = await Promise.all(servers.map((url) => inspectQueue({ ...first, url })))
  if (servers.length === 1) return findings.flat()
  return findings.flatMap((ofServer, i) =>
    ofServer.map((finding) => ({
      ...finding,
      name: `${finding.name}, server ${i + 1}`,
      detail: `${showServers(servers[i] ?? '')}: ${finding.detail}`,
    })),
  )
}

/**
 * How many jobs each queue has, and which queues were left behind. Nothing where there is one queue and no other.
 * @throws what the queue says where it does not answer
 */
export async function inspectShards(queues: OpenedQueues): Promise<Finding[]> {
  const leftovers = await queues.findLeftovers()
  const counts = await Promise.all(queues.each().map((queue) => queue.count()))
  if (counts.length === 1 && leftovers.length === 0) return []
  const detail = `jobs that wait or are delayed: ${queues
    .names()
    .map((name, i) => `${name} ${counts[i]}`)
    .join(', ')}`
  if (leftovers.length === 0) return [{ name: 'queues', ok: true, detail }]
  const names = leftovers.map(({ name }) => name).join(', ')
  return [{ name: 'queues', ok: true, detail: `${detail}; left behind, with jobs: ${names}`, remedy: LEFTOVERS }]
}

const LEFTOVERS =
  'nothing after QUEUE_SHARDS was changed: running workers take these jobs within a minute. Otherwise give senders the QUEUE_SHARDS of the workers'
