import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ROOT } from './support/pages.ts'

/** Words that one word of ARCHITECTURE.md has replaced, or that say less than the plain word, by what to write. */
const RETIRED: Readonly<Record<string, RegExp>> = {
  'poll, read': /\blook(?:s|ed|ing)?\b(?![- ]ups?\b| like\b| for\b)/i,
  'intake, way to enqueue': /\bdoors?\b/i,
  'timeout, at most': /\bpatien(?:ce|tly)\w*/i,
  'fires, is due': /\b(?:ring|rings|rang|ringing)\b/i,
  schedule: /\b(?:un)?adopt\w*/i,
  'delay reason': /\bhindrance\w*/i,
  'expects, has': /\b(?:believ|heed)\w*/i,
  'rate limiter': /\bgates?\b/i,
  recount: /settle_?campaigns?|\bsettling a campaign/i,
  close: /\bgoodbye\w*/i,
  'unsubscribe, does not receive': /\bdeaf\w*/i,
  'the program, the person, no one': /\b(?:nobody|somebody|whoever|whomever)\b/i,
  'exact, true': /\bhonest\w*/i,
  'required, warning': /\b(?:vital|unwell)\b/i,
}

/** Names that are not ours to change: those of 0.1.0 that stay for one release, and the account `nobody` of Unix. */
const KEPT = /'look'|\blooks: |\bdelivery_looks\b|\/looks\b|`hindrance`|'hindrance'|'nobody'|chown -R nobody/g

const TEXT = /\.(?:ts|md|css|js|yml|sql|acl|prisma)$/
const filesBelow = (folder: string) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => TEXT.test(file) && !file.includes('generated'))
    .map((file) => `${folder}/${file}`)

const FILES = [
  'ARCHITECTURE.md',
  'README.md',
  'SECURITY.md',
  'docker-compose.yml',
  'prisma/schema.prisma',
  ...['src', 'docs', 'deploy'].flatMap(filesBelow),
]

function retiredWordsIn(file: string, text: string): string[] {
  const lines = text.replaceAll(KEPT, '').split('\n')
  return lines.flatMap((line, i) =>
    Object.entries(RETIRED).flatMap(([instead, word]) => {
      const found = word.exec(line)?.[0]
      return found === undefined ? [] : [`${file}:${i + 1} has "${found}": ${instead}`]
    }),
  )
}

test('the sources and the pages have no retired word', () => {
  expect(FILES.flatMap((file) => retiredWordsIn(file, readFileSync(join(ROOT, file), 'utf8')))).toEqual([])
})

test('a retired word is found, a kept name is not', () => {
  expect(retiredWordsIn('a.md', 'Look up the row.\nThe last look wins.\nSELECT * FROM delivery_looks')).toEqual([
    'a.md:2 has "look": poll, read',
  ])
})
