import { setTimeout as sleep } from 'node:timers/promises'
import { createRandom } from '../worlds.mjs'

/** How long a fault of DingTalk lasts, in real milliseconds. */
const FAULT_MS = 1_500
const POLLS = { endpoint: /** @type {const} */ ('getsendresult') }

/** Each is a fault of the simulator for an app, all for a while or for some calls. */
const FAULTS = {
  'http 503': (appKey) => ({ kind: 'http-status', status: 503, probability: 0.5, forMs: FAULT_MS, match: { appKey, ...POLLS } }),
  reset: (appKey) => ({ kind: 'reset', acted: true, probability: 0.5, forMs: FAULT_MS, match: { appKey, ...POLLS } }),
  throttle: (appKey) => ({ kind: 'throttle', seconds: 1, times: 1, match: { appKey, ...POLLS } }),
  timeout: (appKey) => ({ kind: 'hang', times: 2, match: { appKey, ...POLLS } }),
  'system busy': (appKey) => ({ kind: 'code', code: -1, metered: true, probability: 0.5, forMs: FAULT_MS, match: { appKey, ...POLLS } }),
}

/**
 * @typedef {object} Disturbance
 * @property {string} kind
 * @property {string | null} app null: all of them
 * @property {number} fromMs epoch ms
 * @property {number} toMs
 */

/**
 * Kills workers and lets DingTalk fail, in turns at random moments.
 * @param {Awaited<ReturnType<typeof import('./world.mjs').startWorld>>} world
 * @param {{ kills: number, faults: number, seed: number, lastMs: number }} plan `lastMs`: real ms from now until the last of them
 * @param {AbortSignal} signal
 * @returns {Promise<Disturbance[]>} what was done
 */
export async function disturb(world, { kills, faults, seed, lastMs }, signal) {
  const random = createRandom(seed + 1)
  const strike = {
    kill: () => killOne(world, random),
    fault: (i) => fail(world, Object.keys(FAULTS)[i % Object.keys(FAULTS).length], random),
  }
  const startedMs = Date.now()
  const planned = [...times('kill', kills), ...times('fault', faults)].sort((a, b) => a.atMs - b.atMs)
  /** @type {Disturbance[]} */
  const done = []
  for (const { kind, i, atMs } of planned) {
    await wait(startedMs + atMs - Date.now(), signal)
    if (signal.aborted) break
    done.push(await strike[kind](i))
  }
  return done

  function times(kind, count) {
    return Array.from({ length: count }, (_, i) => ({ kind, i, atMs: ((i + random()) / count) * lastMs }))
  }
}

/** @returns {Promise<Disturbance>} until another worker is ready */
async function killOne(world, random) {
  const fromMs = Date.now()
  await world.kill(random() < 0.5 ? 0 : 1)
  return { kind: 'kill', app: null, fromMs, toMs: Date.now() }
}

/** @returns {Promise<Disturbance>} */
async function fail({ simulator, apps }, kind, random) {
  const app = apps[Math.floor(random() * apps.length)]
  const fromMs = Date.now()
  simulator.inject(FAULTS[kind](app.appKey))
  return { kind, app: app.name, fromMs, toMs: fromMs + FAULT_MS }
}

async function wait(ms, signal) {
  // Its end is no error.
  await sleep(Math.max(0, ms), undefined, { signal }).catch(() => undefined)
}
