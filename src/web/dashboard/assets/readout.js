// The values of a read curve under the pointer, under a finger, or by the arrow keys. Without it the browser shows them as titles, and the table has them.
'use strict'

/** The moment that is chosen in a plot, by the plot's id. It stays when the figures are loaded again. */
const chosen = new Map()
/** The plot that a pointer is in. */
let pointed = null

const stopsOf = (stage) => [...stage.querySelectorAll('.hit')]

/** The index of the chosen moment; -1: none is. */
const indexIn = (stage, stops) => stops.findIndex((stop) => stop.dataset.key === chosen.get(stage.id))

/** Makes the plots of a document ready. In one that is already, nothing changes. @param showTime writes a time in the reader's zone */
function prepareReadouts(within, showTime) {
  for (const stage of within.querySelectorAll('.stage')) {
    for (const title of stage.querySelectorAll('.hit > title')) {
      title.parentNode.dataset.text = title.textContent
      title.remove()
    }
    stage.tabIndex = 0
    stage.setAttribute('role', 'slider')
    stage.setAttribute('aria-label', stage.dataset.label)
    stage.setAttribute('aria-valuemin', '0')
    paintReadout(stage, showTime)
  }
}

function paintReadout(stage, showTime) {
  const stops = stopsOf(stage)
  const index = indexIn(stage, stops)
  const stop = stops[index] ?? stops.find(({ classList }) => classList.contains('rest'))
  if (stop === undefined) return
  const { at, text, x, y } = stop.dataset
  const cursor = stage.querySelector('.cursor')
  cursor.setAttribute('visibility', index === -1 ? 'hidden' : 'visible')
  const [line, dot] = cursor.children
  line.setAttribute('x1', x)
  line.setAttribute('x2', x)
  dot.setAttribute('cx', x)
  dot.setAttribute('cy', y)
  const readout = stage.parentNode.querySelector('.readout')
  const time = readout.querySelector('time')
  time.dateTime = at
  time.textContent = showTime(new Date(at))
  readout.querySelector('span').textContent = text
  stage.setAttribute('aria-valuemax', String(stops.length - 1))
  stage.setAttribute('aria-valuenow', String(stops.indexOf(stop)))
  stage.setAttribute('aria-valuetext', `${time.textContent} ${text}`)
}

/** @param showTime as above */
function followReaders(showTime) {
  const choose = (stage, stop) => {
    if (stop === undefined) chosen.delete(stage.id)
    else chosen.set(stage.id, stop.dataset.key)
    paintReadout(stage, showTime)
  }
  const stageOf = ({ target }) => (target instanceof Element ? target.closest('.stage') : null)
  const point = (event) => {
    const stage = stageOf(event)
    if (pointed !== null && pointed !== stage) choose(pointed)
    pointed = stage
    if (stage === null) return
    const stops = stopsOf(stage)
    choose(stage, stops.find((stop) => event.clientX < stop.getBoundingClientRect().right) ?? stops.at(-1))
  }
  document.addEventListener('pointermove', point)
  document.addEventListener('pointerdown', point)
  document.addEventListener('focusin', (event) => {
    const stage = stageOf(event)
    if (stage !== null && !chosen.has(stage.id)) choose(stage, stage.querySelector('.hit.rest') ?? undefined)
  })
  document.addEventListener('focusout', (event) => {
    const stage = stageOf(event)
    if (stage !== null) choose(stage)
  })
  document.addEventListener('keydown', (event) => {
    const stage = stageOf(event)
    if (stage === null) return
    const stops = stopsOf(stage)
    const index = indexIn(stage, stops)
    const next = { ArrowLeft: index - 1, ArrowDown: index - 1, ArrowRight: index + 1, ArrowUp: index + 1, Home: 0, End: stops.length - 1 }[
      event.key
    ]
    if (next === undefined || event.ctrlKey || event.metaKey || event.altKey) return
    event.preventDefault()
    choose(stage, stops[Math.min(stops.length - 1, Math.max(0, next))])
  })
}

/** The files of the script are sent as one; this is what dashboard.js uses of this one. */
globalThis.readouts = { prepare: prepareReadouts, follow: followReaders }
