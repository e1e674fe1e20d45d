import { Socket } from 'node:net'

/** The sockets under the connections of one pool, which waits for a goodbye that may never come. */
export interface Sockets {
  /** For `pg`, as its option `stream`. */
  readonly open: () => Socket
  end(): void
  /** Once everybody who still waits for one of them has lost patience. Until then they keep no process alive. */
  endSoon(): void
}

const SOON_MS = 40_000

export function openSockets(): Sockets {
  const open = new Set<Socket>()
  const end = (): void => open.forEach((socket) => socket.destroy())
  return {
    open() {
      const socket = new Socket()
      open.add(socket)
      socket.once('close', () => open.delete(socket))
      return socket
    },
    end,
    endSoon() {
      for (const socket of open) socket.unref()
      setTimeout(end, SOON_MS).unref()
    },
  }
}
