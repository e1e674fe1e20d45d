import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { NginxPlace } from './nginx.ts'

const PAGE = readFileSync(join(import.meta.dirname, '../../../SECURITY.md'), 'utf8')

function blocksIn(language: string): string[] {
  return [...PAGE.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(([, block = '']) => block)
}

/** The variables of a block of `NAME=value` lines. */
function variablesIn(block: string): Record<string, string> {
  const lines = block.trim().split('\n')
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]))
}

const [tls = '', sso = ''] = blocksIn('nginx')
const [list = '', tlsSettings = '', ssoSettings = ''] = blocksIn('ini')

/** The examples of SECURITY.md. */
export const EXAMPLES = {
  list: variablesIn(list),
  tls: { nginx: tls, env: variablesIn(tlsSettings) },
  sso: { nginx: sso, env: variablesIn(ssoSettings) },
}

/** An example on free ports, and with a certificate that is there. @param others what else is replaced */
export function adaptExample(
  example: string,
  upstream: number,
  others: Readonly<Record<string, string>> = {},
): (place: NginxPlace) => string {
  return ({ port, certificate, key }) => {
    const real: Readonly<Record<string, string>> = {
      'listen 443 ssl': `listen 127.0.0.1:${port} ssl`,
      '/etc/ssl/tracker.example.pem': certificate,
      '/etc/ssl/tracker.example.key': key,
      '127.0.0.1:8080': `127.0.0.1:${upstream}`,
      ...others,
    }
    return Object.entries(real).reduce((text, [shown, used]) => {
      expect(text).toContain(shown)
      return text.replaceAll(shown, used)
    }, example)
  }
}
