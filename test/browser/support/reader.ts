import { type Browser, type BrowserContextOptions, chromium, type Page, type Request } from 'playwright-core'
import { expect, inject, onTestFinished } from 'vitest'

export const endpoint = inject('browserEndpoint')

let browser: Promise<Browser> | undefined

/**
 * A reader with a browser of their own (cookies, language, screen). When the test ends there must have been no error, no violation of the
 * policy, and no request to anybody but the server.
 */
export async function openReader(base: string, options: BrowserContextOptions = {}): Promise<Page> {
  if (endpoint === null) throw new Error('no browser')
  browser ??= chromium.connect(endpoint)
  const context = await (await browser).newContext({ baseURL: base, locale: 'en-GB', timezoneId: 'Asia/Shanghai', ...options })
  const page = await context.newPage()
  const problems: string[] = []
  page.on('pageerror', (error) => problems.push(`error: ${error.message}`))
  page.on('console', (message) => {
    // A page that is not there says so by its status, and the browser tells; that is what the test asked for.
    const isStatus = message.text().startsWith('Failed to load resource: the server responded with a status of')
    if (!isStatus && ['error', 'warning'].includes(message.type())) problems.push(`console: ${message.text()}`)
  })
  page.on('dialog', (dialog) => {
    problems.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('request', (request) => {
    const url = new URL(request.url())
    if (url.origin !== base && url.protocol !== 'data:') problems.push(`request to ${url.origin}`)
  })
  onTestFinished(async () => {
    await context.close()
    expect(problems).toEqual([])
  })
  return page
}

/**
 * Lets the page's time go by until it has asked the server again, and waits for the answer. Its time stands still meanwhile, or its
 * patience would end before a busy machine answers. Needs `page.clock.install()`.
 */
export async function letItRefresh(page: Page): Promise<void> {
  const asked: Request[] = []
  page.once('request', (request) => asked.push(request))
  const answered = new Promise<void>((resolve) => {
    page.once('requestfinished', () => resolve())
    page.once('requestfailed', () => resolve())
  })
  while (asked.length === 0) await page.clock.runFor(1_000)
  await answered
}

/** Through the form, with Enter: a label of it may be in any language. */
export async function signIn(page: Page, token: string): Promise<void> {
  await page.goto('/login')
  await page.locator('input[type=password]').fill(token)
  await page.keyboard.press('Enter')
  await page.waitForURL((url) => url.pathname === '/')
}

/** The text of a part of a page, with single spaces. */
export async function textOf(page: Page, selector: string): Promise<string> {
  return (await page.locator(selector).first().innerText()).replaceAll(/\s+/g, ' ').trim()
}
