import { describe, expect, test } from 'vitest'
import { findChromium } from './support/chromium.ts'

const nowhere = (): boolean => false

describe('where there is no Chromium', () => {
  test('the suite is skipped, and says so', () => {
    const said: string[] = []
    expect(findChromium({ env: {}, exists: nowhere, say: (message) => said.push(message) })).toBeNull()
    expect(said).toEqual([expect.stringContaining('THE BROWSER TESTS ARE SKIPPED. No Chromium on this machine.')])
  })

  test.each(['true', '1'])('the suite fails with CI=%s', (CI) => {
    expect(() => findChromium({ env: { CI }, exists: nowhere })).toThrow('Install one, or set CHROMIUM_PATH.')
  })

  test('a CHROMIUM_PATH that leads nowhere is a mistake, whatever else is there', () => {
    const exists = (path: string): boolean => path === '/usr/bin/chromium'
    expect(findChromium({ env: {}, exists })).toBe('/usr/bin/chromium')
    expect(() => findChromium({ env: { CHROMIUM_PATH: '/nowhere' }, exists })).toThrow('Looked at /nowhere.')
  })
})
