import type { LookupFunction } from 'node:net'
import { Agent, type Dispatcher, request } from 'undici'
import { createTunnels, type TunnelLimits } from './tunnels.ts'

/** Limits of one exchange that its connection keeps. */
export interface ConnectionLimits extends TunnelLimits {
  /** Between two pieces of the body, in milliseconds. */
  readonly bodyTimeoutMs: number
  /** An answer about 100 people is below 20 kB. */
  readonly maxResponseBytes: number
}

export interface Connections {
  readonly request: typeof request
  /** The connections through a proxy, as `parseProxy` returns it; null: without one. */
  through(proxy: string | null): Dispatcher
  /** Ends the running requests too. */
  destroy(): Promise<void>
}

/**
 * One pool of kept-alive connections for each host. On undici's `request`, not `fetch`, which has no limit for the size of an answer and decodes
 * compressed ones.
 */
export function openConnections(limits: ConnectionLimits, lookup: LookupFunction): Connections {
  const options = {
    headersTimeout: limits.headersTimeoutMs,
    bodyTimeout: limits.bodyTimeoutMs,
    maxResponseSize: limits.maxResponseBytes,
  }
  const direct = new Agent({ ...options, connect: { timeout: limits.connectTimeoutMs, lookup } })
  const tunnels = new Map<string, Dispatcher>()
  return {
    request,
    through(proxy) {
      if (proxy === null) return direct
      const open = tunnels.get(proxy) ?? createTunnels(proxy, limits, options)
      tunnels.set(proxy, open)
      return open
    },
    async destroy() {
      await Promise.all([direct, ...tunnels.values()].map((each) => each.destroy()))
    },
  }
}
