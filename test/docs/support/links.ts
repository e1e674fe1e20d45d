import { existsSync } from 'node:fs'
import { join, posix } from 'node:path'
import { ROOT, textOf } from './pages.ts'

export interface Link {
  /** `README.md:35`, so that a failure names the line. */
  readonly at: string
  readonly page: string
  readonly target: string
}

/** Links and pictures of a page that lead to files of the project, outside its blocks. */
export function linksOf(page: string): Link[] {
  return linksIn(page, textOf(page))
}

export function linksIn(page: string, text: string): Link[] {
  const prose = text.replace(/^```.*?^```$/gms, (block) => block.replace(/[^\n]/g, ''))
  return [...prose.matchAll(/\]\(<?([^)\s>]+)>?\)|(?:srcset|src|href)="([^"]+)"|^\[[^\]]+\]:\s*(\S+)/gm)]
    .map((match) => ({
      at: `${page}:${prose.slice(0, match.index).split('\n').length}`,
      page,
      target: match[1] ?? match[2] ?? match[3] ?? '',
    }))
    .filter(({ target }) => !/^[a-z][a-z+.-]*:/i.test(target))
}

/** Why a link leads nowhere; null: it leads to something. */
export function findFault({ page, target }: Link): string | null {
  const [file = '', anchor] = target.split('#')
  const path = file === '' ? page : posix.join(posix.dirname(page), decodeURIComponent(file))
  if (path.startsWith('..') || path.startsWith('/')) return `${target} leads out of the project`
  if (!existsSync(join(ROOT, path))) return `there is no ${path}`
  if (anchor === undefined) return null
  if (!path.endsWith('.md')) return `${path} has no headings`
  return anchorsIn(textOf(path)).has(decodeURIComponent(anchor)) ? null : `${path} has no heading #${anchor}`
}

/** As the hosts of sources make them: lower case, without marks, spaces as hyphens; a second one of a name gets a number. */
export function anchorsIn(text: string): Set<string> {
  const anchors = new Set<string>()
  for (const [, heading = ''] of text.replace(/^```.*?^```$/gms, '').matchAll(/^#+ +(.+)$/gm)) {
    const name = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .trim()
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M}_ -]/gu, '')
      .replaceAll(' ', '-')
    let unique = name
    for (let n = 1; anchors.has(unique); n++) unique = `${name}-${n}`
    anchors.add(unique)
  }
  return anchors
}
