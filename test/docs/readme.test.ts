import { expect, test } from 'vitest'
import { problemText } from '../../src/domain/messages.ts'
import { PROBLEM_CODES } from '../../src/domain/problems.ts'
import { ALL_PAGES, blocksOf, tableUnder, textOf } from './support/pages.ts'

const README = textOf('README.md')

test('the README has at most 150 lines, none so long that it cannot be read', () => {
  expect(README.trimEnd().split('\n').length).toBeLessThanOrEqual(150)
  expect(
    README.replace(/^- .*\[.*$/gm, '')
      .split('\n')
      .filter((line) => line.length > 160),
  ).toEqual([])
})

test('it says the problem, shows it, and leads from the demo to production and the read rates', () => {
  const parts = [
    'DingTalk sends no read event',
    '<picture>',
    '## Demo',
    'npm ci && npm run demo',
    '## Install',
    'npm install dingtalk-delivery-tracker',
    '## Send, then enqueue',
    'asyncsend_v2',
    'trackMany',
    '## At DingTalk',
    'qyapi_base',
    'DINGTALK_REGION',
    '## Production',
    'npx dingtalk-delivery worker',
    '## Read rates',
    'npx dingtalk-delivery report',
    '## Where the rest is',
  ]
  const places = parts.map((part) => README.indexOf(part))
  expect(parts.filter((_, i) => (places[i] ?? -1) < 0)).toEqual([])
  expect(places).toEqual(places.toSorted((a, b) => a - b))
  expect(README.match(/^## .+$/gm)).toEqual(parts.filter((part) => part.startsWith('## ')))
})

test('the problem is told in two sentences', () => {
  const [, , lead = ''] = README.split('\n\n')
  expect(lead.split(/[.:;] (?=[A-Z])/)).toHaveLength(2)
})

test('every page can be reached from the README', () => {
  const reached = new Set(['README.md'])
  for (const page of reached) {
    const targets = [...textOf(page).matchAll(/\]\(([^)\s#]+\.md)(?:#[^)]*)?\)/g)].map(([, target = '']) => target)
    for (const target of targets.filter((each) => !each.includes(':'))) {
      const path = new URL(target, `file:///${page}`).pathname.slice(1)
      if (ALL_PAGES.includes(path)) reached.add(path)
    }
  }
  expect(ALL_PAGES.filter((page) => !reached.has(page))).toEqual([])
})

/** Who has installed the package has no `dingtalk-delivery` on the path; the image has. The names of the queue, of roles and of jobs are no commands. */
const BARE =
  /(?<!npx\s|exec \S+ )\bdingtalk-delivery\s(?:start|worker|serve|migrate|doctor|track|cancel|resume|show|report|unread|erase|demo|simulator)\b/g

test.each(ALL_PAGES.filter((page) => page !== 'CHANGELOG.md' && page !== 'docs/problems.md'))('%s names every command with npx', (page) => {
  expect(textOf(page).match(BARE) ?? []).toEqual([])
})

test.each([
  ['docs/dingtalk-setup.md', 'What doctor answers'],
  ['docs/dingtalk-setup.zh-CN.md', 'doctor 的各种回答'],
])('%s says what each answer of doctor means', (page, heading) => {
  const answers = tableUnder(heading, page).map(([answer = '']) => answer)
  const wanted = PROBLEM_CODES.map((code) => `${problemText({ code, detail: null }, 'en')} \`${code}\``)
  const [right = '', uncalled = '', ...refusals] = answers
  expect([right, uncalled]).toEqual([
    expect.stringMatching(/^`permission, agent id and task fit`/),
    expect.stringMatching(/^`No call was made`/),
  ])
  expect(refusals.toSorted()).toEqual(wanted.toSorted())
})

test('the first snippet sends, tells when it did, and treats errors', () => {
  const [snippet = ''] = blocksOf('README.md').flatMap(({ language, text }) => (language === 'ts' ? [text] : []))
  for (const part of ['asyncsend_v2', 'sentAt', 'trackMany(', 'TrackerError', 'retryable']) expect(snippet).toContain(part)
})
