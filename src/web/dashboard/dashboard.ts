import type { Readable } from 'node:stream'
import cookie from '@fastify/cookie'
import formbody from '@fastify/formbody'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { createTokens } from '../access.ts'
import { attachment } from '../attachment.ts'
import { XLSX_TYPE } from '../people-file.ts'
import { createProxies, type Proxies } from '../proxies.ts'
import { createAppCount } from './app-count.ts'
import { type Asset, layout, readAssets } from './components/layout.ts'
import { admit, createEntrance } from './entrance.ts'
import { safePath } from './links.ts'
import { registerLogin } from './login.ts'
import type { Content, DashboardOptions, PageRequest, RenderPage } from './page.ts'
import { campaignCsv, campaignPage, campaignXlsx } from './pages/campaign.ts'
import { comparePage } from './pages/compare.ts'
import { overviewPage, resumeAppAction } from './pages/overview.ts'
import { everythingSentPage, peopleSearchPage } from './pages/people.ts'
import { personPage } from './pages/person.ts'
import { NOT_FOUND, problemPage, severalAppsPage, toPageProblem } from './pages/problem.ts'
import { schedulePage } from './pages/schedule.ts'
import { correctAgentIdAction, resumeTaskAction, taskCsv, taskPage, taskXlsx } from './pages/task.ts'
import { cookieOptions, hidden, LANGUAGE_COOKIE, PREFERENCE, parseQuery, pathOf, THEME_COOKIE, toPage } from './request.ts'

export type { DashboardOptions } from './page.ts'

/** Only resources of this server, nothing inline, no frames. */
const POLICY =
  "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

/** A token has at most 4,096 characters, and its form one address more. */
const FORM_LIMIT_BYTES = 16_384

const PAGES: ReadonlyArray<readonly [string, RenderPage]> = [
  ['/', overviewPage],
  ['/campaigns/:name', campaignPage],
  ['/tasks/:taskId', taskPage],
  ['/tasks/:taskId/people/:userId', personPage],
  ['/people/:userId', everythingSentPage],
  ['/compare', comparePage],
  ['/schedule', schedulePage],
]

/** Pages that resolve with an address where another page is what was searched for. */
const SEARCHES: ReadonlyArray<readonly [string, (pageRequest: PageRequest) => Promise<Content | string>]> = [['/people', peopleSearchPage]]

/** What a file is called at its end, and its type. */
const CSV_FILE = ['csv', 'text/csv; charset=utf-8'] as const
const XLSX_FILE = ['xlsx', XLSX_TYPE] as const

type FileFormat = typeof CSV_FILE | typeof XLSX_FILE

const FILES: ReadonlyArray<readonly [string, FileFormat, (pageRequest: PageRequest) => Promise<string | Readable>]> = [
  ['/campaigns/:name/people.csv', CSV_FILE, campaignCsv],
  ['/campaigns/:name/people.xlsx', XLSX_FILE, campaignXlsx],
  ['/tasks/:taskId/people.csv', CSV_FILE, taskCsv],
  ['/tasks/:taskId/people.xlsx', XLSX_FILE, taskXlsx],
]

/** What a button of a page does. Each resolves with the page to show then. */
const ACTIONS: ReadonlyArray<readonly [string, (pageRequest: PageRequest) => Promise<string>]> = [
  ['/tasks/:taskId/resume', resumeTaskAction],
  ['/tasks/:taskId/agent-id', correctAgentIdAction],
  ['/apps/:app/resume', resumeAppAction],
]

/** The pages for people, at `/`. They have their own headers, cookies and error pages; nothing of it reaches the routes beside. */
export function registerDashboard(app: FastifyInstance, options: DashboardOptions): void {
  void app.register(async (scope) => {
    await scope.register(cookie)
    await scope.register(formbody, { bodyLimit: FORM_LIMIT_BYTES })
    scope.addHook('onRequest', async (_request, reply) => {
      void reply.headers({
        'content-security-policy': POLICY,
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'same-origin',
        'cross-origin-opener-policy': 'same-origin',
        'cache-control': 'no-store',
      })
    })
    registerPages(scope, options)
  })
}

function registerPages(scope: FastifyInstance, options: DashboardOptions): void {
  const assets = readAssets()
  for (const asset of [assets.style, assets.script]) serveAsset(scope, asset)
  const { reads, now, apiToken, proxies = createProxies({}) } = options
  const tokens = createTokens(apiToken ?? [])
  const severalApps = createAppCount(options.rates, now)
  const readVisitor = createEntrance({ ...options, tokens, proxies })
  const readPageRequest = (request: FastifyRequest): PageRequest => {
    const page = toPage(request, now(), readVisitor(request), proxies)
    const { rates, freshness } = reads.forRequest(page.canSeeNames)
    return {
      page,
      options: { ...options, rates },
      freshness,
      params: PREFERENCE.params.parse(request.params),
      query: parseQuery(request),
      form: request.method === 'POST' ? PREFERENCE.action.parse(request.body ?? {}) : {},
    }
  }
  const send: Send = (reply, pageRequest, content, status = 200) =>
    reply
      .status(status)
      .type('text/html; charset=utf-8')
      .send(layout(pageRequest.page, content, pageRequest.freshness(), assets))

  scope.setErrorHandler(async (error, request, reply) => {
    const pageRequest = readPageRequest(request)
    const problem = toPageProblem(error)
    const { status } = problem
    if (status >= 500) request.log.error({ err: error }, 'a page of the dashboard failed')
    const content = problem.kind === 'severalApps' ? await severalAppsPage(pageRequest) : problemPage(pageRequest.page, problem)
    return send(reply, pageRequest, content, status)
  })
  if (apiToken !== null) registerLogin(scope, { tokens, proxies, now, send, readPageRequest })
  scope.post('/preferences', hidden('open'), async (request, reply) => keepPreferences(request, reply, proxies))

  /** Answers requests that may see the pages; others are sent to the sign-in. */
  const guarded: Guard = (answer) => async (request, reply) => {
    if (admit(request, readVisitor(request), options)) {
      const pageRequest = readPageRequest(request)
      return await answer({ ...pageRequest, page: { ...pageRequest.page, severalApps: await severalApps() } }, reply)
    }
    return reply.redirect(`/login?next=${encodeURIComponent(pathOf(request))}`, 303)
  }
  registerRoutes(scope, guarded, send)
}

type Answer = (pageRequest: PageRequest, reply: FastifyReply) => Promise<FastifyReply>
type Guard = (answer: Answer) => (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>
type Send = (reply: FastifyReply, pageRequest: PageRequest, content: Content, status?: number) => FastifyReply

function registerRoutes(scope: FastifyInstance, guarded: Guard, send: Send): void {
  for (const [path, render] of PAGES) {
    scope.get(
      path,
      hidden('read'),
      guarded(async (pageRequest, reply) => send(reply, pageRequest, await render(pageRequest))),
    )
  }
  for (const [path, search] of SEARCHES) {
    scope.get(
      path,
      hidden('read'),
      guarded(async (pageRequest, reply) => {
        const found = await search(pageRequest)
        return typeof found === 'string' ? reply.redirect(found, 303) : send(reply, pageRequest, found)
      }),
    )
  }
  for (const [path, act] of ACTIONS) {
    scope.post(
      path,
      hidden('write'),
      guarded(async (pageRequest, reply) => reply.redirect(await act(pageRequest), 303)),
    )
  }
  for (const [path, format, file] of FILES) {
    scope.get(
      path,
      hidden('read'),
      guarded(async (pageRequest, reply) => sendFile(reply, pageRequest, format, await file(pageRequest))),
    )
  }
  const sendNotFound = guarded(async (pageRequest, reply) =>
    send(reply, pageRequest, problemPage(pageRequest.page, NOT_FOUND), NOT_FOUND.status),
  )
  scope.get('/*', hidden('read'), async (request, reply) => {
    // Programs that miss a route of the API get its answer, not a page.
    if (request.url.startsWith('/v1/') || !(request.headers.accept ?? '').includes('text/html')) return reply.callNotFound()
    return await sendNotFound(request, reply)
  })
}

function sendFile(reply: FastifyReply, { params }: PageRequest, [ending, type]: FileFormat, body: string | Readable): FastifyReply {
  return reply
    .headers({
      'content-disposition': attachment(`${params['name'] ?? `task-${params['taskId']}`}-people.${ending}`),
      'content-type': type,
    })
    .send(body)
}

function serveAsset(scope: FastifyInstance, { path, type, body }: Asset): void {
  scope.get(path, hidden('open'), async (_request, reply) =>
    reply.headers({ 'cache-control': 'public, max-age=31536000, immutable', 'content-type': type }).send(body),
  )
}

/** A year. */
const PREFERENCE_SECONDS = 365 * 24 * 3_600

function keepPreferences(request: FastifyRequest, reply: FastifyReply, proxies: Proxies): FastifyReply {
  const { language, theme, back } = PREFERENCE.form.parse(request.body ?? {})
  const options = { ...cookieOptions(request, proxies), sameSite: 'lax', maxAge: PREFERENCE_SECONDS } as const
  if (language !== undefined) void reply.setCookie(LANGUAGE_COOKIE, language, options)
  if (theme !== undefined) void reply.setCookie(THEME_COOKIE, theme, options)
  return reply.redirect(safePath(back ?? null), 303)
}
