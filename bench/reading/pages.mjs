import { median } from '../support/figures.mjs'
import { startServer } from './files.mjs'
import { load } from './page.mjs'
import { APP, DEPARTMENTS, LARGE, mediumCampaign } from './seed.mjs'

/**
 * The other pages of the dashboard, from the request to the last byte: milliseconds by the key of each. One server, so the first load of each is not counted.
 * @param {import('pg').Client} client
 * @param {{ url: string, tasks: number, runs: number }} of
 */
export async function measurePages(client, { url, tasks, runs }) {
  const { address, close } = await startServer(url)
  try {
    const figures = {}
    for (const [key, path] of Object.entries(await pathsOf(client, mediumCampaign(tasks)))) {
      const page = `${address}${path}`
      await load(page)
      const spent = []
      while (spent.length < Math.min(runs, 5)) spent.push((await load(page)).ms)
      figures[key] = median(spent)
    }
    return figures
  } finally {
    await close()
  }
}

async function pathsOf(client, campaign) {
  const { rows } = await client.query(
    'SELECT task_id, user_id FROM delivery_recipient_status WHERE app = $1 AND campaign = $2 ORDER BY task_id, user_id LIMIT 1',
    [APP, campaign],
  )
  const [{ task_id: taskId, user_id: userId }] = rows
  const of = `app=${APP}`
  const department = `department=Headquarters/Department%20${DEPARTMENTS - 1}`
  return {
    overview: '/',
    campaign5k: `/campaigns/${campaign}?${of}`,
    campaign5kDepartment: `/campaigns/${campaign}?${of}&${department}`,
    campaign100kName: `/campaigns/${LARGE}?${of}&q=Name+12`,
    task: `/tasks/${taskId}?${of}`,
    personOfTask: `/tasks/${taskId}/people/${userId}?${of}`,
    person: `/people/${userId}?${of}`,
    searchName: '/people?q=Name+1234',
    searchUnknown: '/people?q=0123456789',
    compareTwo: `/compare?campaign=${campaign}&campaign=${LARGE}&${of}`,
  }
}
