import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { extname } from 'node:path'
import { SECOND_MS } from '../../../domain/delivery.ts'
import type { Freshness } from '../../shared-reads.ts'
import { type Content, type Page, THEMES } from '../page.ts'
import { PATTERNS } from './bar.ts'
import { LANGUAGES, LOCALES, RELATIVE_WORDS } from './format.ts'
import { type Html, html } from './html.ts'
import { labelCells } from './tables.ts'

/** Without a script the browser reloads the page, but not so often that it disturbs reading. */
const NOSCRIPT_REFRESH_SECONDS = 60

/** A check in a rounded square; a data URI, so that the page needs no other request. */
const ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Crect width='32' height='32' rx='8' fill='%230f766e'/%3E%3Cpath d='M7 17l5 5 7-11M17 21l1 1 7-11' fill='none' stroke='white' stroke-width='3' stroke-linecap='round' stroke-linejoin='round'/%3E%3C/svg%3E"

/** The document with the content of a page. */
export function layout(page: Page, content: Content, freshness: Freshness, assets: Assets): string {
  const { messages, language, theme, format, now } = page
  const asOf = new Date(now.getTime() - freshness.ageMs)
  const refreshSeconds = computeRefreshSeconds(content, freshness)
  const { markup } = html`<!doctype html>
<html lang="${language === 'zh' ? 'zh-CN' : 'en'}" data-theme="${theme}" data-locale="${LOCALES[language]}" data-just-now="${RELATIVE_WORDS[language].justNow}" data-soon="${RELATIVE_WORDS[language].soon}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="${theme === 'auto' ? 'light dark' : theme}">
<meta name="referrer" content="same-origin">
<title>${content.title} · ${messages.product}</title>
<link rel="icon" href="${ICON}">
<link rel="stylesheet" href="${assets.style.path}">
<script src="${assets.script.path}" defer></script>
${refreshSeconds !== null && html`<noscript><meta http-equiv="refresh" content="${Math.max(NOSCRIPT_REFRESH_SECONDS, refreshSeconds)}"></noscript>`}
</head>
<body${refreshSeconds !== null && html` data-refresh="${refreshSeconds}" data-age="${Math.floor(freshness.ageMs / SECOND_MS)}"`}>
<a class="skip" href="#main">${messages.skip}</a>
${PATTERNS}
<header class="top"><div class="inner">
<a class="brand" href="/">${mark()}<span>${messages.product}</span></a>
<div class="controls">${preferences(page)}${page.hasSession && logout(page)}</div>
</div></header>
<main id="main" tabindex="-1">${refreshSeconds !== null && html`<p class="printed quiet">${messages.print.figures(format.fullTime(asOf))}</p>`}
${content.body}</main>
<footer class="bottom"><div class="inner">
<p data-updated="${messages.updated('{0}')}" data-away="${messages.away('{0}')}" id="updated" class="sentence">${messages.asOf(format.time(asOf))}</p>
<p data-zone="${messages.yourZone('{0}')}" id="zone">${messages.serverZone(format.zone(now))}</p>
</div></footer>
<div id="away" class="away" role="status" hidden></div>
</body>
</html>
`
  return addPrefix(labelCells(markup), page.prefix)
}

/** Every address of this server begins with a slash in one of these attributes. Text cannot look like one: its quotes are escaped. */
function addPrefix(markup: string, prefix: string): string {
  return prefix === '' ? markup : markup.replaceAll(/ (href|src|action)="\//g, ` $1="${prefix}/`)
}

/** A page is not loaded again before its oldest answer can be newer. */
function computeRefreshSeconds({ refreshSeconds }: Content, { reuseMs }: Freshness): number | null {
  return refreshSeconds === null ? null : Math.max(refreshSeconds, Math.ceil(reuseMs / SECOND_MS))
}

function mark(): Html {
  return html`<svg class="mark" viewBox="0 0 32 32" width="28" height="28" aria-hidden="true" focusable="false"><rect width="32" height="32" rx="8"/><path d="M7 17l5 5 7-11M17 21l1 1 7-11"/></svg>`
}

/** A form, so that it works without a script and no link changes state. */
function preferences({ messages, language, theme, path }: Page): Html {
  const choice = (name: string, value: string, text: string, current: string, lang: string | null): Html =>
    html`<button type="submit" name="${name}" value="${value}" aria-pressed="${value === current ? 'true' : 'false'}"${lang !== null && html` lang="${lang}"`}>${text}</button>`
  return html`<form class="preferences" method="post" action="/preferences">
<input type="hidden" name="back" value="${path}">
<div class="choice" role="group" aria-label="${messages.language}">${LANGUAGES.map((each) => choice('language', each, NAMES[each], language, each === 'zh' ? 'zh-CN' : 'en'))}</div>
<div class="choice" role="group" aria-label="${messages.theme}">${THEMES.map((each) => choice('theme', each, messages.themes[each], theme, null))}</div>
</form>`
}

/** Each language calls itself by its own name. */
const NAMES = { en: 'English', zh: '中文' }

function logout({ messages }: Page): Html {
  return html`<form method="post" action="/logout"><button type="submit" class="plain">${messages.login.logout}</button></form>`
}

export interface Asset {
  /** Has a hash of the content, so that browsers may keep it without a limit. */
  readonly path: string
  readonly type: string
  readonly body: Buffer
}

export interface Assets {
  readonly style: Asset
  readonly script: Asset
}

/** In this order: a later rule wins over an earlier one of the same weight. */
const STYLE_FILES = [
  'theme.css',
  'page.css',
  'parts.css',
  'tables.css',
  'plots.css',
  'curve.css',
  'schedule.css',
  'people.css',
  'sizes.css',
  'print.css',
]

export function readAssets(): Assets {
  return {
    style: readAsset('dashboard.css', 'text/css; charset=utf-8', STYLE_FILES),
    script: readAsset('dashboard.js', 'text/javascript; charset=utf-8', ['readout.js', 'dashboard.js']),
  }
}

/** One asset of several files, so that a page loads one. */
function readAsset(name: string, type: string, files: readonly string[]): Asset {
  const body = Buffer.concat(files.map((file) => readFileSync(new URL(`../assets/${file}`, import.meta.url))))
  const hash = createHash('sha256').update(body).digest('hex').slice(0, 16)
  const end = extname(name)
  return { path: `/assets/${name.slice(0, -end.length)}.${hash}${end}`, type, body }
}
