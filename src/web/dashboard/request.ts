/// <reference types="@fastify/swagger" /> for `hide`
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { parseApp } from '../../intake/track-request.ts'
import { formatOf, LANGUAGES, type Language } from './components/format.ts'
import { WORDS } from './locales/index.ts'
import type { Sessions } from './session.ts'
import { THEMES, type View } from './view.ts'

/** Pages are for people: the document of the API does not list them. */
export const HIDDEN = { schema: { hide: true } } as const

export const LANGUAGE_COOKIE = 'delivery_language'
export const THEME_COOKIE = 'delivery_theme'
export const SESSION_COOKIE = 'delivery_session'

/** What comes in with a request becomes a type here. A preference that is none is as good as none. */
export const PREFERENCE = {
  params: z.record(z.string(), z.string()).catch({}),
  form: z
    .object({
      language: z.enum(LANGUAGES).optional().catch(undefined),
      theme: z.enum(THEMES).optional().catch(undefined),
      back: z.string().optional().catch(undefined),
    })
    .catch({}),
  login: z.object({ token: z.string(), next: z.string().optional().catch(undefined) }).catch({ token: '' }),
}

export function viewOf(request: FastifyRequest, now: Date, sessions: Sessions | null): View {
  const { cookies, headers } = request
  const language = LANGUAGES.find((each) => each === cookies[LANGUAGE_COOKIE]) ?? languageOf(headers['accept-language'])
  return {
    language,
    theme: THEMES.find((each) => each === cookies[THEME_COOKIE]) ?? 'auto',
    words: WORDS[language],
    format: formatOf(language),
    now,
    path: pathOf(request),
    session: sessions?.isOpen(cookies[SESSION_COOKIE], now) ?? false,
  }
}

/** A proxy that ends TLS is not known here, but the browser says where the page of a form came from; whoever makes that up gets a cookie of his own. */
export function cameOverTls({ protocol, headers }: FastifyRequest): boolean {
  return protocol === 'https' || headers.origin?.startsWith('https:') === true
}

/** Of a page: its path and query. Of anything else: where a reader would rather be. */
export function pathOf({ method, url }: FastifyRequest): string {
  return method === 'GET' && !url.startsWith('/login') ? url : '/'
}

/** Of any address: one such as `//` is none that `new URL` takes. */
export function queryOf({ url }: FastifyRequest): URLSearchParams {
  const begin = url.indexOf('?')
  return new URLSearchParams(begin === -1 ? '' : url.slice(begin))
}

/** @throws {InvalidInputError} */
export function appOf(query: URLSearchParams): string | undefined {
  const app = query.get('app')
  return app === null ? undefined : parseApp(app)
}

/** The reader's first choice among ours, as the browser says it: `zh-CN,zh;q=0.9,en;q=0.8`. English where neither is wanted. */
function languageOf(header = ''): Language {
  const wanted = header
    .split(',')
    .map((part) => /^\s*([a-z]+)[^;]*(?:;\s*q=([\d.]+))?/i.exec(part))
    .map((match) => ({ name: match?.[1]?.toLowerCase(), weight: Number(match?.[2] ?? 1) }))
    .filter(({ weight }) => weight > 0)
    .sort((a, b) => b.weight - a.weight)
  return wanted.flatMap(({ name }) => LANGUAGES.filter((language) => language === name))[0] ?? 'en'
}
