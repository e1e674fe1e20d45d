import { type CallsElsewhere, countElsewhere, showElsewhere } from './schedule-values.ts'

/** The calls a month of an app: the budget of the organisation, less what its other programs use. */

/** The part of this tracker. */
export interface OwnBudget {
  /** What others use is taken off. Null: no budget. */
  readonly monthlyCallBudget: number | null
  /** What was taken off, in calls a month; 0 without a budget. */
  readonly callsUsedElsewhere: number
}

/** As given. They hold for an app that gives none of its own. */
export interface BudgetDefaults {
  readonly monthlyCallBudget: number | null
  readonly callsUsedElsewhere: CallsElsewhere | null
}

/** Of an app. Undefined: not given. Null is given: an app without a budget, or without other programs. */
export type BudgetEntry = { readonly [Name in keyof BudgetDefaults]?: BudgetDefaults[Name] | undefined }

export function givenBudget(entry: BudgetEntry, defaults: BudgetDefaults): BudgetDefaults {
  return {
    monthlyCallBudget: entry.monthlyCallBudget === undefined ? defaults.monthlyCallBudget : entry.monthlyCallBudget,
    callsUsedElsewhere: entry.callsUsedElsewhere === undefined ? defaults.callsUsedElsewhere : entry.callsUsedElsewhere,
  }
}

export function splitBudget({ monthlyCallBudget: budget, callsUsedElsewhere: elsewhere }: BudgetDefaults): OwnBudget {
  if (budget === null || elsewhere === null) return { monthlyCallBudget: budget, callsUsedElsewhere: 0 }
  const callsUsedElsewhere = countElsewhere(elsewhere, budget)
  return { monthlyCallBudget: budget - callsUsedElsewhere, callsUsedElsewhere }
}

/** What the settings are called where they are given. */
export type BudgetNames = Readonly<Record<keyof BudgetDefaults, string>>

/** What others use has no meaning without a budget, and must leave a call of it. */
export function budgetFaults(given: BudgetDefaults, names: BudgetNames): string[] {
  const { monthlyCallBudget: budget, callsUsedElsewhere: elsewhere } = given
  if (elsewhere === null) return []
  const said = `${names.callsUsedElsewhere} is ${showElsewhere(elsewhere)}`
  if (budget === null) return [`${said}, and ${names.monthlyCallBudget} is missing, of which others use this. Give both, or none.`]
  if (budget > countElsewhere(elsewhere, budget)) return []
  return [`${said}, which leaves no call of ${names.monthlyCallBudget} (${budget}). Give a larger budget, or fewer calls of others.`]
}

/**
 * The faults of what an app gives itself.
 * @param place of the app, such as `apps[2]`
 * @param defaultNames of the values that hold for all apps
 */
export function appBudgetFaults(entry: BudgetEntry, place: string, defaults: BudgetDefaults, defaultNames: BudgetNames): string[] {
  const nameOf = (name: keyof BudgetDefaults): string => (entry[name] === undefined ? defaultNames[name] : `${place}.${name}`)
  const given = givenBudget(entry, defaults)
  const isOwn = entry.monthlyCallBudget !== undefined || entry.callsUsedElsewhere !== undefined
  // An app may have no budget where the others have one.
  if (!isOwn || (given.monthlyCallBudget === null && entry.callsUsedElsewhere === undefined)) return []
  return budgetFaults(given, {
    monthlyCallBudget: given.monthlyCallBudget === null ? `${place}.monthlyCallBudget` : nameOf('monthlyCallBudget'),
    callsUsedElsewhere: nameOf('callsUsedElsewhere'),
  })
}
