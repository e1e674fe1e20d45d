import { existsSync } from 'node:fs'
import { type BrowserServer, chromium } from 'playwright-core'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the one browser of the run is; null: this machine has none. */
    browserEndpoint: string | null
  }
}

const PLACES = [
  process.env['CHROMIUM_PATH'],
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
  '/snap/bin/chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
  'C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe',
]

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
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const executablePath = PLACES.find((place) => place !== undefined && existsSync(place))
  if (executablePath === undefined) {
    sayMissing()
    project.provide('browserEndpoint', null)
    return () => Promise.resolve()
  }
  const server: BrowserServer = await chromium.launchServer({ executablePath, args: FLAGS })
  project.provide('browserEndpoint', server.wsEndpoint())
  return () => server.close()
}

function sayMissing(): void {
  const message = `No Chromium on this machine. Looked at ${PLACES.filter((place) => place !== undefined).join(', ')}. Install one, or set CHROMIUM_PATH.`
  if (process.env['CI'] === 'true') throw new Error(message)
  process.stderr.write(`\n${'!'.repeat(80)}\nTHE BROWSER TESTS ARE SKIPPED. ${message}\n${'!'.repeat(80)}\n\n`)
}
