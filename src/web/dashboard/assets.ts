import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { extname } from 'node:path'

export interface Asset {
  /** Holds a hash of the content, so browsers may keep it for ever and still get a new one. */
  readonly path: string
  readonly type: string
  readonly body: Buffer
}

export interface Assets {
  readonly style: Asset
  readonly script: Asset
}

export function readAssets(): Assets {
  return {
    style: readAsset('dashboard.css', 'text/css; charset=utf-8'),
    script: readAsset('dashboard.js', 'text/javascript; charset=utf-8'),
  }
}

function readAsset(name: string, type: string): Asset {
  const body = readFileSync(new URL(`./assets/${name}`, import.meta.url))
  const hash = createHash('sha256').update(body).digest('hex').slice(0, 16)
  const end = extname(name)
  return { path: `/assets/${name.slice(0, -end.length)}.${hash}${end}`, type, body }
}
