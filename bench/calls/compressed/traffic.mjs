import { createTracker } from '../../../dist/index.js'
import { createRandom } from '../worlds.mjs'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const OFFICE_SHARE = 0.75
/** Recipients of a task: 40 % one person, 20 % each of 10, 50 and 100. */
const SIZES = [1, 1, 10, 50, 100]
const MAX_BATCH = 50
/** Between two looks at what is to be sent. */
const TICK_MS = 50
const NO_NAMES_SHARE = 0.1
const NO_SEND_TIME_SHARE = 0.05
/** Of the messages, so many go to a second task of the same campaign. */
const CAMPAIGN_SHARE = 0.3

/**
 * When messages are sent: three in four in the office hours of a day, one in four at any hour, weekends included.
 * @param {{ apps: number, tasks: number, days: number, seed: number, startMs: number }} plan tasks of each app; `startMs`: the local time of the start
 * @returns {Array<{ app: number, atMs: number, people: number, campaign: string, hasNames: boolean, hasSendTime: boolean }>} by time since the start,
 *   in milliseconds of the simulated clock
 */
export function drawTraffic({ apps, tasks, days, seed, startMs }) {
  const random = createRandom(seed)
  const sends = Array.from({ length: apps * tasks }, (_, i) => {
    const number = random() < CAMPAIGN_SHARE && i > 0 ? i - 1 : i
    return {
      ...{
        app: i % apps,
        atMs: drawTime(random, days, startMs),
        people: SIZES[Math.floor(random() * SIZES.length)],
        campaign: `message-${number}`,
      },
      ...{ hasNames: random() >= NO_NAMES_SHARE, hasSendTime: random() >= NO_SEND_TIME_SHARE },
    }
  })
  return sends.sort((a, b) => a.atMs - b.atMs)
}

function drawTime(random, days, startMs) {
  const midnightMs = startMs - (startMs % DAY_MS)
  for (;;) {
    const hour = random() < OFFICE_SHARE ? 8 + random() * 10 : random() * 24
    const atMs = midnightMs + Math.floor(random() * (days + 1)) * DAY_MS + hour * HOUR_MS - startMs
    if (atMs >= 0 && atMs < days * DAY_MS) return atMs
  }
}

/**
 * Sends and tracks each message at its time.
 * @returns the truth about each, as the simulator has it
 * @param {Awaited<ReturnType<typeof import('./world.mjs').startWorld>>} world
 * @param {ReturnType<typeof drawTraffic>} traffic
 * @param {{ startedMs: number, timeScale: number }} clock
 */
export async function sendAll({ simulator, databaseUrl, apps }, traffic, { startedMs, timeScale }) {
  const tracker = createTracker({ databaseUrl })
  /** @type {import('../../../dist/simulator/simulator.js').TaskTruth[]} */
  const sent = []
  try {
    for (let next = 0; next < traffic.length; ) {
      const now = Date.now()
      const due = traffic.slice(next, next + MAX_BATCH).filter(({ atMs }) => startedMs + atMs / timeScale <= now)
      next += due.length
      const messages = due.map((message) => send(simulator, apps[message.app], message))
      sent.push(...messages.map(({ truth }) => truth))
      if (messages.length === 0) await new Promise((resolve) => setTimeout(resolve, TICK_MS))
      else
        await track(
          tracker,
          messages.map(({ request }) => request),
        )
    }
    return sent
  } finally {
    await tracker.close()
  }
}

/** A busy machine may refuse; a sender tries again. */
async function track(tracker, requests, attempts = 20) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await tracker.trackMany(requests)
    } catch (error) {
      if (attempt === attempts) throw error
    }
  }
}

function send(simulator, app, { people, campaign, hasNames, hasSendTime }) {
  const userIds = Array.from({ length: people }, (_, i) => `0${i + 1}`)
  const sentAt = new Date()
  const truth = simulator.createTask({
    ...{ appKey: app.appKey, agentId: app.agentId, campaign, sentAt: sentAt.getTime() },
    recipients: userIds.map((userId) => ({ userId, fate: /** @type {const} */ ('drawn') })),
  })
  const request = { app: app.name, taskId: truth.taskId, campaign, ...(hasNames && { userIds }), ...(hasSendTime && { sentAt }) }
  return { truth, request }
}
