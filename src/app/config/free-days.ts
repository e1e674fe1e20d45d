import { quote } from '../../domain/quote.ts'
import { fileFault, type ReadTextFile } from '../../lib/read-text-file.ts'
import { describeFaults, exactObject, field, listOf, valueAt } from './fields.ts'
import { DAY } from './values.ts'

/** Days of the local time, `YYYY-MM-DD`, that go before what is known of a country. */
export interface GivenDays {
  readonly freeDays: readonly string[]
  readonly workDays: readonly string[]
}

export const NO_DAYS: GivenDays = { freeDays: [], workDays: [] }

/** Fifty thousand days. */
const MAX_FILE_BYTES = 1_048_576
const ACCEPTED = 'Accepted: {"free":["2027-02-08"],"work":["2027-02-06"]}.'

const days = listOf(field(DAY, 'file'), 'days').default([])
const schema = exactObject({ free: days, work: days })

interface FreeDaysFile {
  readonly days: GivenDays
  readonly faults: readonly string[]
}

/** The days of FREE_DAYS_FILE, or what is wrong with it, with the line where it is one. */
export function readFreeDays(path: string, readFile: ReadTextFile): FreeDaysFile {
  const wrong = (fault: string): FreeDaysFile => ({ days: NO_DAYS, faults: [`${quote(path)} ${fault}`] })
  let content: string
  try {
    content = readFile(path, MAX_FILE_BYTES).replace(/^\uFEFF/, '')
  } catch (error) {
    return wrong(`cannot be read (${fileFault(error)}). Give the path of a JSON file that this user may read.`)
  }
  let value: unknown
  try {
    value = JSON.parse(content)
  } catch (error) {
    return wrong(`is not JSON${describePlace(content, error)}. ${ACCEPTED}`)
  }
  const { data, error } = schema.safeParse(value)
  const given = { freeDays: data?.free ?? [], workDays: data?.work ?? [] }
  const faults = [...describeFaults(error, 'the file'), ...dayFaults({ freeDays: 'free', workDays: 'work' }, given)]
  return { days: given, faults: faults.map((fault) => `${quote(path)}${describeLine(content, value, fault)} ${fault}`) }
}

/** Characters before the wrong one that the parser's message quotes. */
const QUOTED_BEFORE = 10

/** ` in line 4`, where the parser's message tells: by a position, or by the text around it. */
function describePlace(content: string, error: unknown): string {
  const message = error instanceof Error ? error.message : ''
  if (message.includes('end of JSON')) return ` to the end, which is in line ${lineOf(content, content.trimEnd().length)}`
  const [, position] = /\bposition (\d+)/.exec(message) ?? []
  if (position !== undefined) return ` in line ${lineOf(content, Number(position))}`
  const [, around = ''] = /\.\.\."([^]+)"(?:\.\.\.)? is not valid JSON$/.exec(message) ?? []
  const start = content.indexOf(around)
  const isUnique = around !== '' && start === content.lastIndexOf(around)
  return isUnique ? ` in line ${lineOf(content, start + QUOTED_BEFORE)}` : ''
}

function lineOf(content: string, position: number): number {
  return content.slice(0, position).split('\n').length
}

/** ` line 4:` for a fault of the form `free[2] …`, where the day is found in the text. */
function describeLine(content: string, value: unknown, fault: string): string {
  const [, list = '', index = ''] = /^(free|work)\[(\d+)\]/.exec(fault) ?? []
  const given = valueAt(value, list, Number(index))
  const position = given === undefined ? -1 : content.indexOf(JSON.stringify(given))
  return position < 0 ? ':' : ` line ${lineOf(content, position)}:`
}

/** A day cannot be free and a work day. */
export function dayFaults(names: { readonly freeDays: string; readonly workDays: string }, { freeDays, workDays }: GivenDays): string[] {
  const free = new Set(freeDays)
  const both = workDays.filter((day) => free.has(day))
  return both.length === 0
    ? []
    : [`${names.workDays}[${workDays.indexOf(both[0] ?? '')}] ${both[0]} is in ${names.freeDays} too. Leave it out of one of them.`]
}
