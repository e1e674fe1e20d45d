// Preload (`--import`) for a process whose system clock is wrong by SHIFT_MS, and by STEP_MS from SIGUSR2 on. Both in milliseconds.
const { SHIFT_MS = '0', STEP_MS } = process.env
const System = globalThis.Date
let shiftMs = Number(SHIFT_MS)

class Date extends System {
  constructor(...given) {
    super(.../** @type {[number]} */ (given.length === 0 ? [System.now() + shiftMs] : given))
  }

  static now() {
    return System.now() + shiftMs
  }
}
Reflect.set(globalThis, 'Date', Date)

if (STEP_MS !== undefined) {
  process.on('SIGUSR2', () => {
    shiftMs = Number(STEP_MS)
  })
}
