import { pathToFileURL } from 'node:url'

let edits = []
let packages = {}

export function initialize(data) {
  edits = data.edits ?? []
  packages = data.packages ?? {}
}

/** A package from another folder: another release of it. */
export function resolve(specifier, context, next) {
  const folder = packages[specifier]
  if (folder === undefined) return next(specifier, context)
  return next(specifier, { ...context, parentURL: pathToFileURL(`${folder}/package.json`).href })
}

export async function load(url, context, next) {
  const loaded = await next(url, context)
  const meant = edits.filter(({ file }) => url.endsWith(`/dist/${file}`))
  if (meant.length === 0) return loaded
  return { ...loaded, source: meant.reduce(edited, String(loaded.source)) }
}

function edited(source, { file, from, to }) {
  // A control that changes nothing would pass for the wrong reason.
  if (!source.includes(from)) throw new Error(`${file} has no ${JSON.stringify(from)}`)
  return source.replace(from, () => to)
}
