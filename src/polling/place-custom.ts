import { finalPollAt, type Timing } from '../domain/poll-times.ts'
import { type PollTimes, toOffsetsMs } from '../domain/schedule/custom.ts'
import { MAX_POLLS, type PlacedPolls, type Placing, type TaskToPlace, UNKNOWN } from './plan-tasks.ts'

/** Polls at the times that a program's function gives. */
export function createCustomPlacing(pollTimes: PollTimes, timing: Timing): Placing {
  return { name: 'pollTimes', place: (task) => placeCustom(task, pollTimes, timing) }
}

/** @throws {Error} where the function throws, or gives no list of times */
function placeCustom(task: TaskToPlace, pollTimes: PollTimes, timing: Timing): PlacedPolls {
  const { key, sentAt, campaign, deadlineAt } = task
  const given: unknown = pollTimes({ ...key, sentAt, campaign, people: task.people === 0 ? null : task.people })
  const wanted = toOffsetsMs(given, sentAt, timing.timeScale)
  if (wanted === null) throw new TypeError('pollTimes gave no list of minutes since the send, or of Dates. Return an array of one of them.')
  if (wanted.length >= MAX_POLLS)
    throw new RangeError(`pollTimes gave ${wanted.length} polls for a task. Return at most ${MAX_POLLS - 1}: the final one is added.`)
  const final = Math.round(finalPollAt({ key, deadlineAt }, timing).getTime() - sentAt.getTime())
  const ordinary = new Set(wanted.map((offset) => Math.round(offset / timing.timeScale)))
  const offsetsMs = [...[...ordinary].filter((offset) => offset <= final - timing.minGapMs), final]
  return { offsetsMs, plan: { ...UNKNOWN, placedBy: 'custom', people: task.people } }
}
