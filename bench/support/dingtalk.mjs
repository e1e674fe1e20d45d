/**
 * DingTalk's answers in a process of their own, made before they are asked for: the simulator, which thinks about each person, would be the limit of
 * what is measured. A task's id says who is in it. How many of them have read is the same for all tasks, and set by the bench.
 */
import { createServer } from 'node:http'
import { peopleOf, userIdsOf } from './tasks.mjs'

let readShare = 0
const answers = new Map()
/** Of each call: when it came, in milliseconds since 1970, and the task. */
const [times, taskIds] = [[], []]

function answerFor(taskId) {
  const people = peopleOf(taskId)
  const read = Math.round(people * readShare)
  const key = `${people} ${taskId.at(-1)} ${read}`
  const known = answers.get(key)
  if (known !== undefined) return known
  const userIds = userIdsOf(taskId)
  const lists = { read_user_id_list: userIds.slice(0, read), unread_user_id_list: userIds.slice(read) }
  const empty = { failed_user_id_list: [], forbidden_list: [], invalid_dept_id_list: [], invalid_user_id_list: [] }
  const answer = Buffer.from(JSON.stringify({ errcode: 0, errmsg: 'ok', send_result: { ...empty, ...lists }, request_id: '16kcs7iwwcvj6' }))
  answers.set(key, answer)
  return answer
}

const server = createServer((request, response) => {
  let form = ''
  request.setEncoding('latin1').on('data', (part) => (form += part))
  request.on('end', () => {
    const taskId = /task_id=(\d+)/.exec(form)[1]
    times.push(performance.timeOrigin + performance.now())
    taskIds.push(Number(taskId))
    const body = answerFor(taskId)
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length }).end(body)
  })
})
server.keepAliveTimeout = 600_000
server.listen(0, '127.0.0.1', () => process.send({ url: `http://127.0.0.1:${Object(server.address()).port}` }))

process.on('message', (/** @type {{ readShare?: number, from?: number }} */ message) => {
  readShare = message.readShare ?? readShare
  const { from } = message
  process.send({ polls: times.length, ...(from !== undefined && { times: times.slice(from), taskIds: taskIds.slice(from) }) })
})
process.on('disconnect', () => process.exit())
