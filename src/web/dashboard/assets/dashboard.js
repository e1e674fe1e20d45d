// Makes a page that is complete without it more pleasant: times in the reader's zone, and figures that keep themselves up to date.
'use strict'

const root = document.documentElement
const locale = root.dataset.locale
root.classList.add('js')
const { readouts } = globalThis

// ── Times ────────────────────────────────────────────────────────────────────────────────────────────────────────────

const distances = new Intl.RelativeTimeFormat(locale)
const clock = { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }
const times = new Intl.DateTimeFormat(locale, clock)
const exactTimes = new Intl.DateTimeFormat(locale, { ...clock, second: '2-digit' })
const fullTimes = new Intl.DateTimeFormat(locale, { dateStyle: 'full', timeStyle: 'long' })

/** As the server: below this a distance has no number. */
const NEAR_SECONDS = 10

/** The unit of a distance, and how many seconds it has. */
const UNITS = [
  ['second', 1, 60],
  ['minute', 60, 3_600],
  ['hour', 3_600, 48 * 3_600],
  ['day', 24 * 3_600, Number.POSITIVE_INFINITY],
]

function distanceOf(at, now) {
  const seconds = (at - now) / 1_000
  if (Math.abs(seconds) < NEAR_SECONDS) return seconds > 0 ? root.dataset.soon : root.dataset.justNow
  const [unit, length] = UNITS.find(([, , below]) => Math.abs(seconds) < below)
  return distances.format(Math.round(seconds / length), unit)
}

/** By what the server wrote beside a time. */
const FORMATS = { seconds: exactTimes, full: fullTimes }

function textOfTime(at, now, show) {
  if (show === 'distance') return distanceOf(at, now)
  return (FORMATS[show] ?? times).format(at)
}

/** In place: the server wrote the same moments in its own zone. */
function localise(within, now) {
  for (const time of within.querySelectorAll('time[datetime]')) {
    const at = new Date(time.dateTime)
    const text = textOfTime(at, now, time.dataset.show)
    if (time.textContent !== text) time.textContent = text
    time.title = fullTimes.format(at)
  }
  for (const link of within.querySelectorAll('a[data-in-zone]')) {
    const address = link.getAttribute('href').replace(/&timeZone=.*/, '')
    const zoned = `${address}&timeZone=${encodeURIComponent(times.resolvedOptions().timeZone)}`
    if (link.getAttribute('href') !== zoned) link.setAttribute('href', zoned)
  }
}

function tellZone() {
  const zone = document.getElementById('zone')
  const name = times.resolvedOptions().timeZone
  const offset = new Intl.DateTimeFormat(locale, { timeZoneName: 'shortOffset' })
    .formatToParts(new Date())
    .find(({ type }) => type === 'timeZoneName')
  zone.textContent = zone.dataset.zone.replace('{0}', () => `${name} (${offset?.value ?? ''})`)
}

// ── What only a browser knows ────────────────────────────────────────────────────────────────────────────────────────

/** The days of a filter begin in the zone in which the page shows its times; a link to send has the address of the reader. */
function fillIn(within) {
  for (const input of within.querySelectorAll('input.zone')) input.value = times.resolvedOptions().timeZone
  for (const address of within.querySelectorAll('.address'))
    address.textContent = new URL(address.parentNode.getAttribute('href'), location.href).href
}

/** An address to send has only what was chosen. */
document.addEventListener('formdata', ({ target, formData }) => {
  if (!target.matches('.filter')) return
  for (const name of ['q', 'from', 'to']) if (formData.get(name) === '') formData.delete(name)
  if (!formData.has('from') && !formData.has('to')) formData.delete('zone')
})

// ── Only what changed ────────────────────────────────────────────────────────────────────────────────────────────────

/** What the reader did stays: an open table, a typed search. Nodes that are the same are not touched, so focus, selection and scroll stay too. */
const READERS = new Set(['open', 'value'])

function update(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) return old.replaceWith(document.importNode(fresh, true))
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data
    return
  }
  updateAttributes(old, fresh)
  updateChildren(old, fresh)
}

function updateAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && !READERS.has(name)) old.removeAttribute(name)
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value && !READERS.has(name)) old.setAttribute(name, value)
}

function updateChildren(old, fresh) {
  let next = old.firstChild
  for (const child of fresh.childNodes) {
    const found = sameOf(child, next)
    if (found === null) {
      old.insertBefore(document.importNode(child, true), next)
      continue
    }
    if (found === next) next = next.nextSibling
    else old.insertBefore(found, next)
    update(found, child)
  }
  while (next !== null) {
    const after = next.nextSibling
    next.remove()
    next = after
  }
}

/** Rows keep their identity by key, sections by id; anything else is whatever stands at its place. */
function sameOf(child, next) {
  const key = keyOf(child)
  if (key === null) return next !== null && keyOf(next) === null && next.nodeName === child.nodeName ? next : null
  for (let each = next; each !== null; each = each.nextSibling) if (keyOf(each) === key) return each
  return null
}

function keyOf(node) {
  return node.dataset?.key ?? (node.id || null)
}

// ── Keeping up to date ───────────────────────────────────────────────────────────────────────────────────────────────

const MAX_WAIT_MS = 60_000
const away = document.getElementById('away')
const updated = document.getElementById('updated')
let updatedAt = figuresOf(document)
let failures = 0
let timer = null

/** When the oldest figures of a page were read: the server shares costly answers between readers, and sends their age. */
function figuresOf(page) {
  return new Date(Date.now() - Number(page.body.dataset.age ?? 0) * 1_000)
}

/** A costly page has a long interval, so the interval is long enough for an answer. */
function timeoutMs() {
  return Math.max(10_000, Number(document.body.dataset.refresh) * 1_000)
}

async function refresh() {
  const response = await fetch(location.href, {
    headers: { accept: 'text/html' },
    cache: 'no-store',
    signal: AbortSignal.timeout(timeoutMs()),
  })
  // The session is over, or the task or campaign is gone: the error page is shown.
  if (response.redirected) return location.assign(response.url)
  if (response.status >= 400 && response.status < 500) return location.reload()
  if (!response.ok) throw new Error(`the server answered ${response.status}`)
  const fresh = new DOMParser().parseFromString(await response.text(), 'text/html')
  localise(fresh, new Date())
  readouts.prepare(fresh, showTime)
  fillIn(fresh)
  update(document.querySelector('main'), fresh.querySelector('main'))
  document.title = fresh.title
  document.body.dataset.refresh = fresh.body.dataset.refresh ?? ''
  updatedAt = figuresOf(fresh)
}

async function keepUp() {
  clearTimeout(timer)
  if (document.hidden) return
  try {
    await refresh()
    failures = 0
  } catch {
    failures += 1
  }
  tellAge()
  wait()
}

function wait() {
  clearTimeout(timer)
  const seconds = Number(document.body.dataset.refresh)
  if (seconds > 0)
    timer = setTimeout(() => void keepUp(), Math.min(seconds * 1_000 * 2 ** failures, Math.max(MAX_WAIT_MS, seconds * 1_000)))
}

/** Announced to screen readers only when the server goes away and comes back, not every second. */
function tellAge() {
  const ago = distanceOf(updatedAt, new Date())
  updated.textContent = updated.dataset.updated.replace('{0}', () => ago)
  if (away.hidden !== (failures === 0)) {
    away.hidden = failures === 0
    away.textContent = failures === 0 ? '' : updated.dataset.away.replace('{0}', () => ago)
  }
}

// ── Copying ──────────────────────────────────────────────────────────────────────────────────────────────────────────

async function copy(button) {
  await navigator.clipboard.writeText(button.closest('li').querySelector('code').textContent)
  button.textContent = button.dataset.done
}

for (const button of document.querySelectorAll('.copy')) button.addEventListener('click', () => void copy(button))

const showTime = (at) => times.format(at)
tellZone()
localise(document, new Date())
readouts.prepare(document, showTime)
fillIn(document)
readouts.follow(showTime)
if (Number(document.body.dataset.refresh) > 0) {
  tellAge()
  setInterval(() => {
    if (document.hidden) return
    tellAge()
    localise(document, new Date())
  }, 1_000)
  document.addEventListener('visibilitychange', () => void keepUp())
  wait()
}
