import { existsSync } from 'node:fs'

/** Where systems keep a browser that the tests can drive. First the one without windows, which takes a third of the processor's time. */
const PLACES = [
  '/usr/bin/chromium-headless-shell',
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

interface Machine {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly exists?: (path: string) => boolean
  readonly say?: (message: string) => void
}

/** The browser of this machine. Null, and said loudly, where it has none; an error where that must not be: in CI, and where CHROMIUM_PATH names one. */
export function findChromium({ env, exists = existsSync, say = sayLoudly }: Machine): string | null {
  const { CHROMIUM_PATH: named, CI: ci } = env
  const places = named === undefined || named === '' ? PLACES : [named]
  const found = places.find((place) => exists(place))
  if (found !== undefined) return found
  const message = `No Chromium on this machine. Looked at ${places.join(', ')}. Install one, or set CHROMIUM_PATH.`
  if (places !== PLACES || (ci !== undefined && ci !== '' && ci !== 'false')) throw new Error(message)
  say(`THE BROWSER TESTS ARE SKIPPED. ${message}`)
  return null
}

function sayLoudly(message: string): void {
  const line = '!'.repeat(80)
  process.stderr.write(`\n${line}\n${message}\n${line}\n\n`)
}
