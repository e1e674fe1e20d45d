import { z } from 'zod'
import type { NodeProcess } from '../../support/process.ts'

const logLine = z.object({ health: z.string() })
const report = z.object({
  ok: z.boolean(),
  checks: z.array(z.object({ name: z.string(), ok: z.boolean(), detail: z.string().optional() })),
})

export type Report = z.infer<typeof report>

/** What a worker says about itself, on the port that it chose. */
export interface Probes {
  live(): Promise<boolean>
  ready(): Promise<Report>
  metrics(): Promise<string>
}

/** The probes are up before the worker is ready. */
export async function probesOf(worker: NodeProcess): Promise<Probes> {
  const { health } = logLine.parse(JSON.parse(await worker.waitForLine(/health server is up/, 60_000)))
  return {
    live: async () => (await fetch(`${health}/livez`)).ok,
    ready: async () => report.parse(await (await fetch(`${health}/readyz`)).json()),
    metrics: async () => (await fetch(`${health}/metrics`)).text(),
  }
}
