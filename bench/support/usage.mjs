import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'

/** Of /proc, on every usual Linux. */
const TICK_MS = 10

/** The fields of /proc/PID/stat from the third one on: the second, a name, may contain spaces. Null: the process has ended. */
function readStat(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    return null
  }
}

const ticksOf = (fields, names) => names.reduce((sum, i) => sum + Number(fields[i]), 0) * TICK_MS
const [PARENT, OWN, OF_ENDED_CHILDREN] = [1, [11, 12], [13, 14]]

/**
 * CPU milliseconds (user and system) that a process has used.
 * @param {number} pid
 */
export function cpuOf(pid) {
  const fields = readStat(pid)
  if (fields === null) throw new Error(`the process ${pid} has ended`)
  return ticksOf(fields, OWN)
}

/**
 * The same of a process with its children, the living and the ended ones: a session of PostgreSQL is a process.
 * @param {number} pid
 */
export function cpuOfFamily(pid) {
  let sum = 0
  let isThere = false
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const fields = readStat(name)
    if (fields === null) continue
    if (Number(name) === pid) {
      isThere = true
      sum += ticksOf(fields, [...OWN, ...OF_ENDED_CHILDREN])
    } else if (Number(fields[PARENT]) === pid) sum += ticksOf(fields, OWN)
  }
  if (!isThere) throw new Error(`the process ${pid} has ended, or is on another machine`)
  return sum
}

/** CPU milliseconds of the whole machine: user, nice, system, irq, softirq and steal. */
export function cpuOfMachine() {
  const [, user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'utf8').split('\n')[0].split(/\s+/).map(Number)
  return (user + nice + system + irq + softirq + steal) * TICK_MS
}

/** The share of all cores that other processes used. */
export function shareOfOthers({ machine, ours, ms }) {
  return Math.max(0, machine - ours) / (ms * availableParallelism())
}
