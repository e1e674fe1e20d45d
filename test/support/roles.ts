import { readFile } from 'node:fs/promises'
import { Client } from 'pg'
import { CANARIES } from './canaries.ts'

/** What deploy/postgres/roles.sql makes. */
type Group = 'migrate' | 'worker' | 'names' | 'read' | 'send'

/** The logins of a run, by the roles that each has. `serve` shows names, and `hr` reads what HR does. */
const LOGINS = {
  migrate: ['migrate'],
  worker: ['worker'],
  serve: ['worker', 'names'],
  names: ['names'],
  read: ['read'],
  hr: ['read', 'names'],
  send: ['send'],
} as const satisfies Readonly<Record<string, readonly Group[]>>

export type DatabaseRole = keyof typeof LOGINS
export const ROLES: readonly DatabaseRole[] = ['migrate', 'worker', 'serve', 'names', 'read', 'hr', 'send']

/** Any number will do, as long as nobody else in the server's own database takes it. */
const LOGINS_LOCK = 4_712

/** The URL of a login of this run that has the rights of this role, and no others. It is there once {@link giveRights} ran, or a database is migrated. */
export function urlAs(role: DatabaseRole, databaseUrl: string): string {
  const url = new URL(databaseUrl)
  url.username = loginOf(role)
  url.password = CANARIES.databasePassword
  return url.href
}

const loginOf = (role: DatabaseRole): string => `test_${role}`

/** As an operator does, in the database that the URL names. */
export async function giveRights(databaseUrl: string): Promise<void> {
  await asOwner(databaseUrl, async (client) => {
    await client.query(await readFile(new URL('../../deploy/postgres/roles.sql', import.meta.url), 'utf8'))
  })
  // Where everybody who makes logins meets: advisory locks are of one database.
  const meeting = new URL(databaseUrl)
  meeting.pathname = '/postgres'
  await asOwner(meeting.href, makeLogins)
}

/** Logins are the whole server's: the first who needs them makes them. */
async function makeLogins(client: Client): Promise<void> {
  await client.query('SELECT pg_advisory_lock($1)', [LOGINS_LOCK])
  for (const role of ROLES) {
    const { rowCount } = await client.query('SELECT FROM pg_roles WHERE rolname = $1', [loginOf(role)])
    if (rowCount !== 0) continue
    const groups = LOGINS[role].map((group) => `delivery_${group}`).join(', ')
    await client.query(`CREATE ROLE ${loginOf(role)} LOGIN PASSWORD '${CANARIES.databasePassword}' IN ROLE ${groups}`)
    if (role === 'migrate') await client.query(`ALTER ROLE ${loginOf(role)} SET role = delivery_migrate`)
  }
}

async function asOwner(databaseUrl: string, work: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    await work(client)
  } finally {
    await client.end()
  }
}
