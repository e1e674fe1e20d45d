/** Secrets must not reach a log line, an error or a table. */

const HIDDEN = '[redacted]'

/** `scheme://user:password@`: connection strings. An unescaped slash or @ in the password does not end the match: hiding too much is the safer mistake. */
const USER_INFO = /([a-z][a-z0-9+.-]{0,20}:\/\/)[^\s"'\\]*@/gi

/** The query of a URL: tokens and keys travel there in DingTalk's older API. */
const URL_QUERY = /([a-z][a-z0-9+.-]{0,20}:\/\/[^\s?"'\\<>]*)\?[^\s"'\\<>]*/gi

/** `access_token=…` in a form body or in a query without a host before it. */
const FORM_VALUE = /\b((?:access_?|api_?|refresh_?)?token|(?:app|suite|client)?_?secret|password|passwd|suite_?ticket)=[^&\s"'\\]+/gi

const BEARER = /\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{6,}/g

/** Takes user info and queries out of addresses, and values of token-like names out of forms. */
export function scrubText(text: string): string {
  return text
    .replace(USER_INFO, `$1${HIDDEN}@`)
    .replace(URL_QUERY, `$1?${HIDDEN}`)
    .replace(FORM_VALUE, `$1=${HIDDEN}`)
    .replace(BEARER, `$1 ${HIDDEN}`)
}

/** A connection address without user info and query. */
export function showAddress(url: string): string {
  if (/^postgres(ql)?:/.test(url)) return url.replace(/\?.*$/s, '').replace(/^(\w+:\/\/)[^/]*@/, '$1')
  if (!URL.canParse(url)) return showSeveralHosts(url)
  const { protocol, host, pathname } = new URL(url)
  return `${protocol}//${host}${pathname}`
}

/** `scheme://[user:password@]host:port,host:port/path[?query]`, which the parser of URLs refuses. */
function showSeveralHosts(url: string): string {
  const [, scheme, rest = ''] = /^([a-z][a-z0-9+.-]*:\/\/)([^?#]*)/i.exec(url) ?? []
  if (scheme === undefined) return HIDDEN
  // A host has no "@": what stands before the last one may be a secret.
  const place = rest.slice(rest.lastIndexOf('@') + 1)
  return /^[\w.:[\]-]+(,[\w.:[\]-]+)+(\/[\w./-]*)?$/.test(place) ? `${scheme}${place}` : HIDDEN
}

const SECRET_NAME = '[\\w-]{0,40}(?:token|secret|password|passwd|authorization|cookie|ticket)'
const SECRET_FIELD = new RegExp(`"(${SECRET_NAME})":"(?:[^"\\\\]|\\\\.)*"`, 'gi')
/** The same inside a text that is itself JSON in a JSON line, as in `"message":"… {\"accessToken\":\"…\"}"`. */
const NESTED_SECRET_FIELD = new RegExp(`\\\\"(${SECRET_NAME})\\\\":\\s*\\\\"[^"\\\\]*`, 'gi')
const NAME_LIST = /"(user_?ids?|[a-z_]*user_id_list)":\[[^\]]*\]/gi

/** One line of JSON without secrets, at any depth, and without lists of people. */
export function scrubJsonLine(line: string): string {
  return scrubText(line)
    .replace(SECRET_FIELD, `"$1":"${HIDDEN}"`)
    .replace(NESTED_SECRET_FIELD, `\\"$1\\":\\"${HIDDEN}`)
    .replace(NAME_LIST, '"$1":"[list of people]"')
}
