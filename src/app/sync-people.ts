import { createContactsApi } from '../dingtalk/contacts.ts'
import { DirectoryFault, departmentPaths, type ListedPerson, listPeople, ROOT_DEPARTMENT } from '../domain/directory.ts'
import { TrackerError } from '../domain/errors.ts'
import { reservedCalls } from '../domain/schedule/budget.ts'
import { createPermits } from '../polling/permits.ts'
import { createContactCalls, type DepartmentTree, DirectoryReadError, readDepartments, readMembers } from '../polling/read-directory.ts'
import type { CallClock } from '../store/call-clock.ts'
import { assertSchemaVersion, type Database, openDatabase } from '../store/prisma.ts'
import { createRateLimiter } from '../store/rate-limiter.ts'
import {
  type ChangedPerson,
  comparePeople,
  type PeopleChanges,
  type PeopleScope,
  readCallUse,
  readChangedPeople,
  writePeople,
} from '../store/sync-people.ts'
import { createCallClock } from './calendar.ts'
import type { AppConfig, Config } from './config/config.ts'
import { type DirectoryTrouble, describeTrouble } from './directory-trouble.ts'
import { chooseApp, NO_APP_REMEDY } from './probe-task.ts'

export interface SyncOptions {
  /** Undefined: the only one, else `default`. */
  readonly app: string | undefined
  /** The department to begin with. */
  readonly rootId: string
  /** Delete who is stored and was not read. Only where the whole organisation is read. */
  readonly removeMissing: boolean
  readonly dryRun: boolean
  /** How many of the people who change are given as examples, at most. */
  readonly examples: number
}

/** What the members will cost, when the departments are known. */
export interface CallPlan {
  readonly app: string
  /** Below the root. */
  readonly departments: number
  readonly made: number
  /** One for the root and for each department; more where it has more than 100 people. */
  readonly atLeast: number
  /** What MONTHLY_CALL_BUDGET leaves, without the calls that are kept for final polls and their retries; null: there is no budget. */
  readonly left: number | null
  /** False: the app may not see what is above the root, so that paths begin below it. */
  readonly reachesTop: boolean
}

export interface SyncSummary extends PeopleChanges {
  readonly app: string
  readonly people: number
  readonly departments: number
  readonly calls: number
  /** How many were deleted. */
  readonly removed: number
  /** Some of those who change. */
  readonly examples: readonly ChangedPerson[]
  readonly stored: boolean
}

/** The two moments at which a person may say no, and the progress between them. */
export interface SyncDialog {
  confirmCalls(plan: CallPlan): Promise<boolean>
  onDepartment(done: number, of: number): void
  /** Not called for a dry run. */
  confirmWrite(summary: SyncSummary): Promise<boolean>
}

type SyncConfig = Pick<Config, 'databaseUrl' | 'apps' | 'privateHosts' | 'proxies' | 'schedule' | 'timeScale'> & {
  readonly databaseUrl: string
}

/** Storing 100,000 people takes some seconds, and longer on a busy server. */
const STATEMENT_TIMEOUT_MS = 300_000

/**
 * Reads an app's departments and people from DingTalk and stores them: everything or nothing. Every call counts in the rate and the budget of the app.
 * @returns null where the dialog said no before the members were read
 * @throws {TrackerError} of the database, before a call is made where possible; {Error} with what DingTalk refused, and what to do
 */
export async function syncPeople(config: SyncConfig, options: SyncOptions, dialog: SyncDialog): Promise<SyncSummary | null> {
  const app = chooseApp(config.apps, options.app)
  if (typeof app === 'string') throw new TrackerError('INVALID_CONFIG', `Nothing was read: ${app} ${NO_APP_REMEDY}`)
  const database = openDatabase(config.databaseUrl, {
    max: 2,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    applicationName: 'dingtalk-delivery people sync',
  })
  try {
    await assertMayStore(database, app)
    return await syncWith({ config, app, database, options, dialog })
  } finally {
    await database.close()
  }
}

/** Before the calls are spent. */
async function assertMayStore(database: Database, { name }: AppConfig): Promise<void> {
  try {
    await assertSchemaVersion(database)
    await comparePeople(database, [], { app: name, below: null })
    await readCallUse(database, name, null)
  } catch (error) {
    if (!(error instanceof TrackerError && error.code === 'NOT_PERMITTED')) throw error
    const needed = 'Names are stored by a member of delivery_names, and calls are counted by a member of delivery_worker: this needs both.'
    throw new TrackerError(error.code, `${error.message} ${needed}`, { cause: error })
  }
}

interface Sync {
  readonly config: SyncConfig
  readonly app: AppConfig
  readonly database: Database
  readonly options: SyncOptions
  readonly dialog: SyncDialog
}

async function syncWith({ config, app, database, options, dialog }: Sync): Promise<SyncSummary | null> {
  const read = await readPeople({ config, app, database, options, dialog })
  if (read === null) return null
  const { people, tree, calls } = read
  const scope = scopeOf(app, options.rootId, tree)
  const changes = await comparePeople(database, people, scope)
  const examples = changes.changed > 0 ? await readChangedPeople(database, people, scope, options.examples) : []
  const about = { app: app.name, people: people.length, departments: tree.read.length - 1, calls, examples }
  const planned: SyncSummary = { ...about, ...changes, removed: options.removeMissing ? changes.missing : 0, stored: false }
  if (options.dryRun || !(await dialog.confirmWrite(planned))) return planned
  const written = await writePeople(database, people, scope, options.removeMissing)
  return { ...about, ...written, removed: options.removeMissing ? written.missing : 0, stored: true }
}

interface Read {
  readonly people: readonly ListedPerson[]
  readonly tree: DepartmentTree
  readonly calls: number
}

async function readPeople({ config, app, database, options, dialog }: Sync): Promise<Read | null> {
  const { privateHosts, proxies } = config
  const callClock = createCallClock(config.schedule.calendar, config.timeScale)
  const contacts = createContactsApi(app, { privateHosts, ...(proxies && { proxies }) })
  const limiter = createRateLimiter(database, { probeLeaseMs: 0, callClock })
  const limitsOf = () => ({ callsPerSecond: app.callsPerSecond, monthlyBudget: app.monthlyCallBudget })
  const now = (): Date => new Date()
  // A call that could not be given back counts, which errs on the safe side.
  const permits = createPermits({ limiter, limitsOf, now, maxWaiting: 1, onRefundFailed: () => undefined })
  const calls = createContactCalls({ contacts, permits, limiter, now, app: app.name }, new AbortController().signal)
  const failWith = (trouble: DirectoryTrouble): Error =>
    new Error(describeTrouble(trouble, { app: app.name, calls: calls.made(), rootId: options.rootId }))
  try {
    const tree = await readDepartments(calls, options.rootId)
    const budget = await readBudget(database, app, callClock)
    const plan = {
      app: app.name,
      departments: tree.read.length - 1,
      made: calls.made(),
      atLeast: tree.read.length,
      reachesTop: tree.reachesTop,
    }
    if (budget !== null && budget.left < plan.atLeast) throw failWith({ kind: 'budget too small', atLeast: plan.atLeast, ...budget })
    if (!(await dialog.confirmCalls({ ...plan, left: budget?.left ?? null }))) return null
    const lists = await readMembers(calls, tree.read, (done) => dialog.onDepartment(done, tree.read.length))
    const people = listPeople(tree.departments, lists)
    // Also what DingTalk answers where the app may see no person: it is no reason to forget all of them.
    if (people.length === 0) throw failWith({ kind: 'no people' })
    return { people, tree, calls: calls.made() }
  } catch (error) {
    if (error instanceof DirectoryReadError) throw failWith(error.failure)
    if (error instanceof DirectoryFault) throw failWith({ kind: 'unfit', message: error.message })
    throw error
  } finally {
    await contacts.close()
  }
}

async function readBudget(database: Database, { name, monthlyCallBudget: budget }: AppConfig, callClock: CallClock | null) {
  if (budget === null) return null
  const use = await readCallUse(database, name, callClock)
  return { ...use, budget, left: Math.max(0, budget - use.used - reservedCalls(use.reserved)) }
}

function scopeOf({ name }: AppConfig, rootId: string, { departments }: DepartmentTree): PeopleScope {
  return { app: name, below: rootId === ROOT_DEPARTMENT ? null : (departmentPaths(departments).get(rootId) ?? null) }
}
