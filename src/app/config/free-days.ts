import { quote } from '../../domain/quote.ts'
import type { ReadTextFile } from '../../lib/read-text-file.ts'
import { describeFaults, exactObject, field, listOf, valueAt } from './fields.ts'
import { lineOf, readJsonFile } from './json-file.ts'
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
  const file = readJsonFile(path, MAX_FILE_BYTES, readFile, ACCEPTED)
  if ('fault' in file) return wrong(file.fault)
  const { content, value } = file
  const { data, error } = schema.safeParse(value)
  const given = { freeDays: data?.free ?? [], workDays: data?.work ?? [] }
  const faults = [...describeFaults(error, 'the file'), ...dayFaults({ freeDays: 'free', workDays: 'work' }, given)]
  return { days: given, faults: faults.map((fault) => `${quote(path)}${describeLine(content, value, fault)} ${fault}`) }
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
