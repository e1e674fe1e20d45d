// Preloaded into a worker (`node --import`): at the NTH passing of FAIL_POINT it does FAIL_ACTION.
// - kill: the process ends there, as by a crash
// - hang: that step never goes on; `hang-all`: neither does any later one that passes the point
// - spin:MS: the event loop is blocked for so long
const { FAIL_POINT: point, FAIL_NTH: nth = '1', FAIL_ACTION: action = 'kill' } = process.env

let passed = 0

Reflect.set(globalThis, Symbol.for('dingtalk-delivery-tracker.fail-point'), (name) => {
  if (name !== point) return undefined
  passed++
  const isMeant = action === 'hang-all' ? passed >= Number(nth) : passed === Number(nth)
  return isMeant ? act() : undefined
})

function act() {
  if (action === 'kill') process.kill(process.pid, 'SIGKILL')
  if (action.startsWith('spin:')) return spin(Number(action.slice('spin:'.length)))
  // Nothing after the point may run, also not in the moment that a signal takes.
  return new Promise(() => undefined)
}

function spin(ms) {
  const end = performance.now() + ms
  while (performance.now() < end);
  return undefined
}
