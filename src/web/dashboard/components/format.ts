import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../../../domain/delivery.ts'
import type { Language } from '../../../domain/messages.ts'
import { formatRate } from '../../../report/rate.ts'
import { plotsEn, plotsZh } from '../locales/plots.ts'
import { type Html, html } from './html.ts'

export { LANGUAGES, type Language } from '../../../domain/messages.ts'

/** International English: 24 hours, and days before months. */
export const LOCALES: Readonly<Record<Language, string>> = { en: 'en-GB', zh: 'zh-CN' }

/** A distance below this has no number: it would change with every second. The page's script has the same limit. */
const NEAR_MS = 10 * SECOND_MS

/** What a distance below the limit is called, in the past and in the future. */
export const RELATIVE_WORDS: Readonly<Record<Language, { readonly justNow: string; readonly soon: string }>> = {
  en: plotsEn.relative,
  zh: plotsZh.relative,
}

/** Values as text of a language. */
export interface Format {
  number(value: number): string
  /** See {@link formatRate}. */
  percent(rate: number | null): string
  /** At most two units: `42 min`, `1 hr 5 min`. */
  duration(ms: number): string
  /** In the server's zone; the page's script puts it into the reader's. */
  time(at: Date | null): Html
  /** The same with seconds. */
  exactTime(at: Date | null): Html
  /** With weekday, year, seconds and zone, for what is kept on paper. */
  fullTime(at: Date): Html
  /** `just now`, `5 minutes ago`, `in 3 hours`; kept up to date by the page's script. */
  distance(at: Date, now: Date): Html
  /** `2026-11` as `November 2026`. */
  month(month: string): string
  /** The zone that {@link time} writes, such as `Asia/Shanghai (GMT+8)`. */
  zone(now: Date): string
}

export function createFormat(language: Language): Format {
  const locale = LOCALES[language]
  const numbers = new Intl.NumberFormat(locale)
  const clock = { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const
  const times = new Intl.DateTimeFormat(locale, clock)
  const exactTimes = new Intl.DateTimeFormat(locale, { ...clock, second: '2-digit' })
  const fullTimes = new Intl.DateTimeFormat(locale, { dateStyle: 'full', timeStyle: 'long' })
  const months = new Intl.DateTimeFormat(locale, { year: 'numeric', month: 'long', timeZone: 'UTC' })
  const distances = new Intl.RelativeTimeFormat(locale)
  const distance = (ms: number): string => {
    const { justNow, soon } = RELATIVE_WORDS[language]
    if (Math.abs(ms) < NEAR_MS) return ms > 0 ? soon : justNow
    return distances.format(...roundDistance(ms))
  }
  return {
    number: (value) => numbers.format(value),
    percent: formatRate,
    duration: createDurationFormat(locale),
    time: (at) => (at === null ? html`–` : html`<time datetime="${at.toISOString()}" data-show="time">${times.format(at)}</time>`),
    exactTime: (at) =>
      at === null ? html`–` : html`<time datetime="${at.toISOString()}" data-show="seconds">${exactTimes.format(at)}</time>`,
    fullTime: (at) => html`<time datetime="${at.toISOString()}" data-show="full">${fullTimes.format(at)}</time>`,
    distance: (at, now) => html`<time datetime="${at.toISOString()}" data-show="distance">${distance(at.getTime() - now.getTime())}</time>`,
    month: (month) => months.format(new Date(`${month}-01T00:00:00Z`)),
    zone: (now) => `${times.resolvedOptions().timeZone} (${formatZoneOffset(locale, now)})`,
  }
}

function createDurationFormat(locale: string): (ms: number) => string {
  const unit = (name: string): ((count: number) => string) => {
    const format = new Intl.NumberFormat(locale, { style: 'unit', unit: name, unitDisplay: 'short', maximumFractionDigits: 0 })
    // Chinese puts a space between a number and a character, Intl does not.
    return (count) => format.format(count).replace(/(?<=\d)(?=\p{Script=Han})/u, ' ')
  }
  const [hours, minutes, seconds] = [unit('hour'), unit('minute'), unit('second')]
  return (ms) => {
    if (ms < MINUTE_MS) return seconds(Math.round(ms / SECOND_MS))
    const whole = Math.round(ms / MINUTE_MS)
    const rest = whole % 60
    if (whole < 60) return minutes(whole)
    return rest === 0 ? hours(whole / 60) : `${hours(Math.floor(whole / 60))} ${minutes(rest)}`
  }
}

function roundDistance(ms: number): [number, Intl.RelativeTimeFormatUnit] {
  const length = Math.abs(ms)
  if (length < MINUTE_MS) return [Math.round(ms / SECOND_MS), 'second']
  if (length < HOUR_MS) return [Math.round(ms / MINUTE_MS), 'minute']
  if (length < 48 * HOUR_MS) return [Math.round(ms / HOUR_MS), 'hour']
  return [Math.round(ms / (24 * HOUR_MS)), 'day']
}

function formatZoneOffset(locale: string, now: Date): string {
  const parts = new Intl.DateTimeFormat(locale, { timeZoneName: 'shortOffset' }).formatToParts(now)
  return parts.find(({ type }) => type === 'timeZoneName')?.value ?? 'UTC'
}
