import { text } from 'node:stream/consumers'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { describe, expect, test } from 'vitest'
import { parseConfig } from '../../src/app/config/config.ts'
import { loaded, lookAt } from '../store/support/polls.ts'
import { describeNginx, runNginx } from '../web/support/nginx.ts'
import { adaptExample, EXAMPLES } from '../web/support/security-page.ts'
import { aServer, type Served } from '../web/support/server.ts'
import { CAMPAIGN, fillWorld, HINDERED, TASK } from '../web/support/world.ts'
import { endpoint, letItRefresh, openReader, textOf } from './support/reader.ts'

const [READ_TOKEN = '', WRITE_TOKEN = ''] = (EXAMPLES.tls.env['API_TOKEN'] ?? '').split(',').map((entry) => entry.split(':')[1] ?? '')
/** The browser knows that the certificate is of nobody's. */
const WITH_ANY_CERTIFICATE: BrowserContextOptions = { ignoreHTTPSErrors: true, acceptDownloads: true }

/** The example of SECURITY.md with TLS and a path, and a server with tasks behind it. */
async function aDashboard(nginx: string): Promise<{ base: string; served: Served }> {
  const { basePath, trustedProxies, allowedHosts } = parseConfig(EXAMPLES.tls.env)
  const served = await aServer({ apiToken: EXAMPLES.tls.env['API_TOKEN'] ?? '', basePath, trustedProxies, allowedHosts })
  await fillWorld(served.store)
  const port = await runNginx(nginx, adaptExample(EXAMPLES.tls.nginx, served.port))
  return { base: `https://127.0.0.1:${port}`, served }
}

async function signIn(page: Page, token: string): Promise<void> {
  await page.getByLabel('API token').fill(token)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

describe.skipIf(endpoint === null)('a reader behind a proxy', () => {
  describeNginx('that ends TLS and has the dashboard under a path', (nginx) => {
    test('signs in, searches, follows links, resumes, sees a new read without a click, downloads a file, and signs out', async () => {
      const { base, served } = await aDashboard(nginx)
      const page = await openReader(base, WITH_ANY_CERTIFICATE)
      await page.clock.install()
      await page.goto('/dingtalk/')
      await page.waitForURL('**/dingtalk/login?next=*')
      await signIn(page, WRITE_TOKEN)
      await page.waitForURL(`${base}/dingtalk/`)
      const cookie = (await page.context().cookies()).find(({ name }) => name === 'delivery_session')
      expect(cookie).toMatchObject({ path: '/dingtalk', secure: true, httpOnly: true, sameSite: 'Strict' })
      expect(await page.evaluate('document.styleSheets.length')).toBe(1)

      await page.getByLabel('Campaign, task id, name or user id').fill(TASK)
      await page.getByLabel('Campaign, task id, name or user id').press('Enter')
      await page.waitForURL(`**/dingtalk/?q=${TASK}*`)
      await page.getByRole('link', { name: TASK, exact: true }).click()
      await page.waitForURL(`**/dingtalk/tasks/${TASK}?app=default`)

      expect(await textOf(page, '.headline .rate')).toContain('1 of 2')
      await lookAt(served.store, (await loaded(served.store, { app: 'default', taskId: TASK })).key, { read: ['ann', 'ben'] }, 30)
      await letItRefresh(page)
      await expect.poll(() => textOf(page, '.headline .rate')).toContain('2 of 2')

      await page.goto(`/dingtalk/tasks/${TASK}?state=all`)
      const downloading = page.waitForEvent('download')
      await page.getByRole('link', { name: /CSV/ }).click()
      const download = await downloading
      expect(new URL(download.url()).pathname).toBe(`/dingtalk/tasks/${TASK}/people.csv`)
      expect(await text(await download.createReadStream())).toContain(TASK)

      await page.getByRole('link', { name: CAMPAIGN }).first().click()
      await page.waitForURL(`**/dingtalk/campaigns/${encodeURIComponent(CAMPAIGN)}?app=default`)
      await page.getByRole('button', { name: '中文' }).click()
      await page.waitForURL(`**/dingtalk/campaigns/${encodeURIComponent(CAMPAIGN)}?app=default`)
      expect(await page.locator('html').getAttribute('lang')).toBe('zh-CN')
      await page.getByRole('button', { name: 'English' }).click()

      await page.goto(`/dingtalk/tasks/${HINDERED}`)
      await page.getByRole('button', { name: 'Poll now' }).click()
      await page.waitForURL(`**/dingtalk/tasks/${HINDERED}?app=default`)
      expect(served.events.find(({ route }) => route === '/tasks/:taskId/resume')).toMatchObject({ status: 303, right: 'write' })

      await page.getByRole('button', { name: 'Sign out' }).click()
      await page.waitForURL('**/dingtalk/login')
      expect((await page.context().cookies()).some(({ name }) => name === 'delivery_session')).toBe(false)
    })

    test('with a token that may only read, sees no button that changes something', async () => {
      const { base } = await aDashboard(nginx)
      const page = await openReader(base, WITH_ANY_CERTIFICATE)
      await page.goto(`/dingtalk/tasks/${HINDERED}`)
      await signIn(page, READ_TOKEN)
      await page.waitForURL(`**/dingtalk/tasks/${HINDERED}`)
      expect(await page.locator('#problem').isVisible()).toBe(true)
      expect(await page.locator('form[action*=resume]').count()).toBe(0)
      expect(await page.getByRole('button', { name: 'Sign out' }).isVisible()).toBe(true)
    })
  })
})
