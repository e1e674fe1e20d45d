import type { Database } from '../../../src/store/prisma.ts'

export interface SomePerson {
  readonly userId: string
  readonly name?: string | null
  readonly departments?: readonly string[]
  readonly managerUserId?: string | null
}

/** Stores people as every way to fill them does. */
export async function putPeople({ pool }: Pick<Database, 'pool'>, people: readonly SomePerson[], app = 'default'): Promise<void> {
  await pool.query('SELECT delivery_put_people($1, $2)', [JSON.stringify(people), app])
}

/** From now on the reader of the test sees names. */
export async function letSeeNames({ pool }: Pick<Database, 'pool'>): Promise<void> {
  await pool.query('GRANT SELECT ON delivery_people, delivery_department_rates TO test_read')
}
