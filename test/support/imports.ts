import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

export interface Import {
  /** The importing file, from the root and with `/`: `queue/worker.ts`. */
  readonly from: string
  /** The imported file, from the root, or the name of a package. */
  readonly to: string
  readonly isPackage: boolean
  readonly isType: boolean
}

/** An import or a re-export as the formatter writes it, on one line or with its names on several. */
const STATIC = /^(?:import|export)( type)? (?:(?:[^'{;]*\{[^}']*\}|[^'{};\n]*?) from )?'([^']+)'$/gm
/** `import('…')` in code and in types. */
const DYNAMIC = /(typeof )?\bimport\('([^']+)'\)/g

/** Every import of every TypeScript file below `root`, generated files excepted. */
export function importsBelow(root: string): Import[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => file.endsWith('.ts') && !file.includes('/generated/'))
    .flatMap((file) => {
      const text = readFileSync(join(root, file), 'utf8')
      return [...text.matchAll(STATIC), ...text.matchAll(DYNAMIC)].map(([, type, to = '']) => {
        const isPackage = !to.startsWith('.')
        return { from: file, to: isPackage ? to : join(dirname(file), to).replaceAll('\\', '/'), isPackage, isType: type !== undefined }
      })
    })
}
