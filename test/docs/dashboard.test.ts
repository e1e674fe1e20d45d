import { expect, test } from 'vitest'
import { en } from '../../src/web/dashboard/locales/en.ts'
import { zh } from '../../src/web/dashboard/locales/zh.ts'
import { textOf } from './support/pages.ts'

/** All fixed texts of a language of the dashboard. */
function textsOf(messages: object): string[] {
  return Object.values(messages).flatMap((value: unknown) => {
    if (typeof value === 'string') return [value]
    return typeof value === 'object' && value !== null ? textsOf(value) : []
  })
}

test.each([
  ['docs/dashboard.md', en],
  ['docs/dashboard.zh-CN.md', zh],
] as const)('%s quotes the dashboard as it is: every word in bold stands there', (page, messages) => {
  const quoted = [...textOf(page).matchAll(/\*\*([^*]+)\*\*/g)].map(([, text = '']) => text)
  expect(quoted.length).toBeGreaterThan(5)
  const texts = new Set(textsOf(messages))
  expect(quoted.filter((text) => !texts.has(text))).toEqual([])
})
