import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { deferred } from '../support/deferred.ts'
import { until } from '../support/wait.ts'
import { aSocket, ask, post } from './support/ask.ts'
import { aServer } from './support/server.ts'

describe('what the server says of itself', () => {
  test('it is ready; it is not while the database is away, and says so; and it is again', async () => {
    const { url, toDatabase } = await aServer()
    const ready = async () => ask(url, '/readyz')
    const names = ['database', 'schema', 'overdue', 'blind gaps', 'call budget', 'clock', 'pool']
    // A check waits 1.5 s for the database, which on a busy machine is not enough for the first connection.
    await until(async () => (await ready()).status === 200, { what: 'it is ready' })
    expect(await ready()).toMatchObject({ status: 200, body: { ok: true, checks: names.map((name) => ({ name, ok: true })) } })
    await toDatabase.mode('refuse')
    const away = await ready()
    expect(away).toMatchObject({ status: 503, body: { ok: false } })
    expect(away.body.checks[0].detail).toMatch(/database/i)
    await toDatabase.mode('pass')
    await until(async () => (await ready()).status === 200, { what: 'it is ready again' })
  })

  test('a database without tables is not ready, and it says what to run', async () => {
    const { url } = await aServer({ migrated: false })
    const { status, body } = await ask(url, '/readyz')
    expect([status, body.checks.slice(0, 2)]).toMatchObject([
      503,
      [
        { name: 'database', ok: true },
        { name: 'schema', ok: false },
      ],
    ])
    expect(body.checks[1].detail).toContain('Run: npx dingtalk-delivery migrate')
  })

  test('requests are counted by route, never by path', async () => {
    const { url } = await aServer()
    await ask(url, '/v1/tasks', post({ taskId: '256271667526' }))
    await ask(url, '/v1/tasks/256271667526/recipients')
    await ask(url, '/v1/campaigns/a%20name%20nobody%20should%20see')
    await ask(url, '/somewhere/else')
    const page = await until(
      async () => {
        const { text: metrics } = await ask(url, '/metrics')
        return metrics.includes('route="unmatched"') ? metrics : undefined
      },
      { what: 'all requests are counted' },
    )
    expect(page).toContain('http_requests_total{route="/v1/tasks",method="POST",status="202"} 1')
    expect(page).toContain('route="/v1/tasks/:taskId/recipients",method="GET",status="200"} 1')
    expect(page).toContain('route="/v1/campaigns/:name",method="GET",status="404"} 1')
    expect(page).not.toMatch(/256271667526|nobody|somewhere/)
    expect(page).toMatch(/dingtalk_delivery_tasks\{app="default",status="tracking"\} 1/)
    expect(page).toMatch(/dingtalk_delivery_call_budget_remaining\{app="default"\} 4000/)
  })
})

describe('closing', () => {
  const REQUEST = 'GET /v1/tasks HTTP/1.1\r\nhost: localhost\r\n'

  test('what is under way is finished, and what comes later is not taken', async () => {
    const [arrived, answer] = [deferred(), deferred()]
    const server = await aServer({
      checks: async () => {
        arrived.resolve()
        await answer.promise
        return { ok: true, checks: [] }
      },
    })
    const underWay = ask(server.url, '/readyz')
    await arrived.promise
    const closed = server.close()
    await until(
      async () =>
        ask(server.url, '/livez').then(
          () => false,
          () => true,
        ),
      { what: 'nothing new is taken' },
    )
    answer.resolve()
    expect((await underWay).status).toBe(200)
    await closed
  })

  test('a kept connection on which nothing happens does not hold it', async () => {
    const server = await aServer({ closeGraceMs: 60_000 })
    const socket = await aSocket(server.port)
    socket.write(`${REQUEST}\r\n`)
    await once(socket, 'data')
    const ended = text(socket)
    await server.close()
    socket.end()
    expect(await ended).not.toContain('HTTP/1.1 5')
  })

  test('who never ends a request is cut off when the grace is over', async () => {
    const server = await aServer({ closeGraceMs: 100, timeouts: { headers: 60_000, request: 60_000 } })
    const socket = await aSocket(server.port)
    socket.write(REQUEST)
    await until(async () => (await ask(server.url, '/livez')).status === 200, { what: 'it was read' })
    await server.close()
    socket.end()
    await text(socket)
    await expect(ask(server.url, '/livez')).rejects.toThrow()
  })

  test('twice is once', async () => {
    const server = await aServer()
    expect(await Promise.all([server.close(), server.close()])).toEqual([undefined, undefined])
    expect(await server.close()).toBeUndefined()
  })
})
