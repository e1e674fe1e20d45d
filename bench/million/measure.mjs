export function median(values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** The median in milliseconds. `before` runs first each time and is not counted. */
export async function medianOf(runs, work, before = async () => undefined) {
  const spent = []
  for (let run = 0; run < runs; run += 1) {
    await before()
    const started = performance.now()
    await work()
    spent.push(performance.now() - started)
  }
  return median(spent)
}

/**
 * Milliseconds of planning and execution over all statements; from PostgreSQL 17 on with the answer written out as text.
 * Timing each node would cost more than some of the statements.
 */
export async function spentAtDatabase(client, statements) {
  const { rows: versions } = await client.query("SELECT current_setting('server_version_num')::int >= 170000 AS serializes")
  const options = `ANALYZE, TIMING OFF, BUFFERS OFF, FORMAT JSON${versions[0].serializes ? ', SERIALIZE TEXT' : ''}`
  let spent = 0
  for (const { query, values } of statements) {
    const { rows } = await client.query(`EXPLAIN (${options}) ${query}`, values)
    const [explained] = rows[0]['QUERY PLAN']
    spent += explained['Planning Time'] + explained['Execution Time']
  }
  return spent
}

/** The plan as text, and as the tree for {@link shapeOf}. */
export async function planOf(client, { query, values }) {
  const explain = async (format) => {
    const { rows } = await client.query(`EXPLAIN (ANALYZE, FORMAT ${format}) ${query}`, values)
    return rows.map((row) => row['QUERY PLAN'])
  }
  const [[json], lines] = [await explain('JSON'), await explain('TEXT')]
  return { root: json[0].Plan, text: lines.join('\n') }
}

/** The indexes that are used, and the tables that are read whole, in the order of the plan. */
export function shapeOf(root) {
  const reads = []
  collect(root, reads)
  return reads.length === 0 ? 'inside a function' : [...new Set(reads)].join(', ')
}

function collect(node, reads) {
  const isRun = node['Actual Loops'] > 0
  if (node['Index Name'] !== undefined && isRun) reads.push(short(node['Index Name']))
  else if (node['Node Type'] === 'Seq Scan' && isRun) reads.push(`all of ${short(node['Relation Name'])}`)
  for (const child of node.Plans ?? []) collect(child, reads)
}

function short(name) {
  return name.replace(/^delivery_/, '')
}
