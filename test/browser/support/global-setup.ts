import { type BrowserServer, chromium } from 'playwright-core'
import type { TestProject } from 'vitest/node'
import { findChromium } from './chromium.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the one browser of the run is; null: this machine has none. */
    browserEndpoint: string | null
  }
}

/** It must ask nobody but the server under test. */
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** One browser for all files of the project. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const executablePath = findChromium({ env: process.env })
  if (executablePath === null) {
    project.provide('browserEndpoint', null)
    return () => Promise.resolve()
  }
  const server: BrowserServer = await chromium.launchServer({ executablePath, args: FLAGS })
  project.provide('browserEndpoint', server.wsEndpoint())
  return () => server.close()
}
