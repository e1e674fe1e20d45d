import { describe, expect, test } from 'vitest'
import { ALL_PAGES, CHINESE_PAGES, chineseNameOf, textOf } from './support/pages.ts'
import { type Outline, outlineOf } from './support/twins.ts'

const englishNameOf = (page: string): string => page.replace(/\.zh-CN\.md$/, '.md')

test('there are Chinese pages for the start, the set-up, the dashboard and operations', () => {
  expect(CHINESE_PAGES).toEqual(
    expect.arrayContaining(['README.zh-CN.md', 'docs/dashboard.zh-CN.md', 'docs/dingtalk-setup.zh-CN.md', 'docs/operations.zh-CN.md']),
  )
})

describe.each(CHINESE_PAGES)('%s', (page) => {
  const english = englishNameOf(page)

  test('is a translation of a page that is there', () => {
    expect(ALL_PAGES).toContain(english)
  })

  test('is in step with its English page', () => {
    expect(outlineOf(page, textOf(page))).toEqual(translated(outlineOf(english, textOf(english)), english))
  })

  test('is in Chinese: every heading and every paragraph but names', () => {
    const prose = textOf(page).replace(/^```.*?^```$/gms, '')
    const paragraphs = prose.split(/\n{2,}/).filter((part) => /[a-z]{3}/i.test(part.replace(/`[^`]*`|\[[^\]]*\]\([^)]*\)|<[^>]*>/g, '')))
    expect(paragraphs.filter((part) => !/\p{Script=Han}/u.test(part) && !part.startsWith('# '))).toEqual([])
  })
})

/** A Chinese page leads to Chinese pages where they are, and back to its English one; and its pictures are Chinese. */
function translated(outline: Outline, english: string): Outline {
  const toChinese = (link: string): string => {
    const [file = '', anchor] = link.split('#')
    if (file === chineseNameOf(english)) return english
    const chinese = chineseNameOf(file)
    return ALL_PAGES.includes(chinese) ? [chinese, ...(anchor === undefined ? [] : [anchor])].join('#') : link
  }
  const pictures = outline.pictures.map((picture) => picture.replace(/-en\.png$/, '-zh.png'))
  return { ...outline, links: outline.links.map(toChinese), pictures }
}

const PAGE = `# Start

Give \`PORT\`, see [more](b.md).

- one
- two

\`\`\`sh
npx x   # a comment
\`\`\`

| a | b |
|---|---|
| \`x\` | y |
`

test.each([
  ['a heading too many', (text: string) => `${text}\n## More\n`],
  ['a heading of another level', (text: string) => text.replace('# Start', '## Start')],
  ['another command', (text: string) => text.replace('npx x', 'npx y')],
  ['a block less', (text: string) => text.replace(/```.*```\n/s, '')],
  ['another language of a block', (text: string) => text.replace('```sh', '```ts')],
  ['a row more', (text: string) => `${text}| \`z\` | y |\n`],
  ['a row of another name', (text: string) => text.replace('`x`', '`z`')],
  ['a column less', (text: string) => text.replace(/^(\|[^|]+\|).*$/gm, '$1')],
  ['another link', (text: string) => text.replace('b.md', 'c.md')],
  ['a link less', (text: string) => text.replace('[more](b.md)', 'more')],
  ['an item less', (text: string) => text.replace('- two\n', '')],
  ['another variable', (text: string) => text.replace('`PORT`', '`HOST`')],
])('%s is found', (_, change) => {
  expect(change(PAGE)).not.toBe(PAGE)
  expect(outlineOf('a.md', change(PAGE))).not.toEqual(outlineOf('a.md', PAGE))
})

test('a comment and a sentence may be translated', () => {
  const chinese = PAGE.replace('a comment', '注释').replace('# Start', '# 开始').replace('Give', '设置').replace('one', '一')
  expect(outlineOf('a.md', chinese)).toEqual(outlineOf('a.md', PAGE))
})

test('what begins as a comment but belongs to a value is compared', () => {
  const outline = (line: string) => outlineOf('a.md', `\`\`\`sh\n${line}\n\`\`\`\n`)
  expect(outline('curl http://a/#x')).not.toEqual(outline('curl http://a/#y'))
  expect(outlineOf('a.md', "```ts\nfetch('https://a')\n```\n")).not.toEqual(outlineOf('a.md', "```ts\nfetch('https://b')\n```\n"))
})
