/** The environment, for the variables of libpq (PGHOST, PGSSLMODE, …) and of OpenSSL: `pg` reads PGUSER and others by itself, also in programs that embed this package. */
export function libpqEnvironment(): Readonly<Record<string, string | undefined>> {
  // oxlint-disable-next-line no-restricted-properties -- variables of the driver, not of this program: parseConfig does not know them
  return process.env
}
