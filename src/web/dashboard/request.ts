/// <reference types="@fastify/swagger" /> for `hide`
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { parseApp } from '../../intake/track-request.ts'
import { mayDo, type Right } from '../access.ts'
import type { Proxies } from '../proxies.ts'
import { createFormat, LANGUAGES, type Language } from './components/format.ts'
import type { Visitor } from './entrance.ts'
import { MESSAGES, type Page, THEMES } from './page.ts'

/** A route of the dashboard, by what it needs. The document of the API does not list it. */
export const hidden = <Needed extends Right>(right: Needed) => ({ schema: { hide: true }, config: { right } }) as const

export const LANGUAGE_COOKIE = 'delivery_language'
export const THEME_COOKIE = 'delivery_theme'

/** Parses what comes in with a request. An invalid preference counts as none. */
export const PREFERENCE = {
  params: z.record(z.string(), z.string()).catch({}),
  form: z
    .object({
      language: z.enum(LANGUAGES).optional().catch(undefined),
      theme: z.enum(THEMES).optional().catch(undefined),
      back: z.string().optional().catch(undefined),
    })
    .catch({}),
  /** What a button sends besides its address. */
  action: z.record(z.string(), z.string()).catch({}),
  login: z.object({ token: z.string(), next: z.string().optional().catch(undefined) }).catch({ token: '' }),
}

export function toPage(request: FastifyRequest, now: Date, { caller, hasSession }: Visitor, proxies: Proxies): Page {
  const { cookies, headers } = request
  const language = LANGUAGES.find((each) => each === cookies[LANGUAGE_COOKIE]) ?? parseLanguage(headers['accept-language'])
  return {
    language,
    theme: THEMES.find((each) => each === cookies[THEME_COOKIE]) ?? 'auto',
    messages: MESSAGES[language],
    format: createFormat(language),
    now,
    path: pathOf(request),
    prefix: proxies.prefixOf(request.raw),
    hasSession,
    canWrite: caller !== null && mayDo(caller.role, 'write'),
    canSeeNames: caller !== null && mayDo(caller.role, 'names'),
    severalApps: true,
  }
}

/** Behind a proxy that ends TLS the protocol is http, but the browser sends the origin of a form's page. A forged origin only changes the sender's own cookie. */
function cameOverTls({ raw, headers }: FastifyRequest, proxies: Proxies): boolean {
  return proxies.protocolOf(raw) === 'https' || headers.origin?.startsWith('https:') === true
}

/** What every cookie of the dashboard has. Another program under the same name, at another path, does not get it. */
export function cookieOptions(request: FastifyRequest, proxies: Proxies): { path: string; httpOnly: true; secure: boolean } {
  return { path: proxies.prefixOf(request.raw) || '/', httpOnly: true, secure: cameOverTls(request, proxies) }
}

/** The path and query of a page; `/` for other requests. */
export function pathOf({ method, url }: FastifyRequest): string {
  return method === 'GET' && !url.startsWith('/login') ? url : '/'
}

/** Takes any address, also one such as `//`, which `new URL` refuses. */
export function parseQuery({ url }: FastifyRequest): URLSearchParams {
  const begin = url.indexOf('?')
  return new URLSearchParams(begin === -1 ? '' : url.slice(begin))
}

/** @throws {InvalidInputError} */
export function parseAppParameter(query: URLSearchParams): string | undefined {
  const app = query.get('app')
  return app === null ? undefined : parseApp(app)
}

/** The language with the highest weight in `zh-CN,zh;q=0.9,en;q=0.8` that the pages have; else English. */
function parseLanguage(header = ''): Language {
  const wanted = header
    .split(',')
    .map((part) => /^\s*([a-z]+)[^;]*(?:;\s*q=([\d.]+))?/i.exec(part))
    .map((match) => ({ name: match?.[1]?.toLowerCase(), weight: Number(match?.[2] ?? 1) }))
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => b.weight - a.weight)
  return wanted.flatMap(({ name }) => LANGUAGES.filter((language) => language === name))[0] ?? 'en'
}
