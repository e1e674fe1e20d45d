/** The paths of Fastify's drawing of its routes: each level is four characters further to the right. */
export function pathsIn(tree: string): string[] {
  const above: string[] = []
  const paths = tree.split('\n').flatMap((line) => {
    const [, indent = '', part = ''] = /^([│ ]*[├└]── )(\S+) \(/.exec(line) ?? []
    if (part === '') return []
    const depth = indent.length / 4
    above[depth] = `${above[depth - 1] ?? ''}${part}`
    return [above[depth]]
  })
  return [...new Set(paths)].sort()
}
