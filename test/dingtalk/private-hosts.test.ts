import { once } from 'node:events'
import { type AddressInfo, createServer, type LookupFunction } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { checkBaseUrl } from '../../src/dingtalk/hosts.ts'
import { toProblemCode } from '../../src/domain/problems.ts'
import { ACCESS_TOKEN, anApi, anApp, INTERNAL, json, numberedTokens, poll, READ_BY_ANN, RESULT, refused, startServer } from './support.ts'

describe('an address in a base URL', () => {
  const PRIVATE = [
    '0.0.0.0',
    '10.0.0.1',
    '10.255.255.255',
    '100.64.0.1',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '[::]',
    '[fc00::1]',
    '[fd12:3456::1]',
    '[fe80::1]',
    '[fec0::1]',
    '[::ffff:10.0.0.1]',
    '[::ffff:169.254.169.254]',
    '[64:ff9b::10.0.0.1]',
    // Other spellings of 10.0.0.1 and 169.254.169.254.
    '10.1',
    '0xa9fea9fe',
    '2852039166',
    '0251.0376.0251.0376',
  ]

  test.each(PRIVATE)('%s is private: refused, unless it is named', (host) => {
    const url = `https://${host}/gateway`
    expect(() => checkBaseUrl(url)).toThrow(/is a private address.*set DINGTALK_PRIVATE_HOSTS to it/)
    const { hostname } = new URL(url)
    expect(checkBaseUrl(url, [hostname.replaceAll(/[[\]]/g, '')])).toBe(`https://${hostname}/gateway`)
    expect(() => checkBaseUrl(url, ['10.0.0.2', 'gateway.example'])).toThrow(/private address/)
  })

  test.each(['9.255.255.255', '11.0.0.1', '100.63.255.255', '100.128.0.1', '172.15.255.255', '172.32.0.1', '192.167.1.1', '[2001:db8::1]'])(
    '%s is not',
    (host) => {
      expect(checkBaseUrl(`https://${host}`)).toBe(`https://${host}`)
    },
  )

  test('loopback that is written as such is meant', () => {
    for (const host of ['127.0.0.1:1', '[::1]:1', 'localhost:1'])
      for (const scheme of ['http', 'https']) expect(checkBaseUrl(`${scheme}://${host}`)).toBe(`${scheme}://${host}`)
  })
})

describe('a name in a base URL', () => {
  /** Counts connections, and ends them. */
  async function aListener(): Promise<{ readonly port: number; connections(): number }> {
    let connections = 0
    const server = createServer((socket) => {
      connections++
      socket.destroy()
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    onTestFinished(() => void server.close())
    return { port: (server.address() as AddressInfo).port, connections: () => connections }
  }

  /** One answer after another, and the last again and again. */
  function answering(...answers: ReadonlyArray<readonly string[]>): LookupFunction {
    let asked = 0
    return (_name, _options, callback) => {
      const addresses = answers[Math.min(asked++, answers.length - 1)] ?? []
      const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
      callback(null, found)
    }
  }

  const anApiAt = (port: number, lookup: LookupFunction, privateHosts: readonly string[] = []) =>
    anApi(anApp({ url: `https://gateway.example:${port}` }), { lookup, privateHosts, tokens: { outageRetryMs: 0 } })

  test.each([
    ['this machine', ['127.0.0.1']],
    ['a private network', ['10.1.2.3']],
    ['the metadata service of a cloud', ['169.254.169.254']],
    ['a private address beside a public one', ['203.0.113.7', '127.0.0.1']],
    ['a mapped address', ['::ffff:127.0.0.1']],
    ['a link-local address of a network card', ['fe80::1%eth0']],
  ])('that leads to %s is refused before anything is sent, with what to do', async (_, addresses) => {
    const { port, connections } = await aListener()
    const refusal = refused(await poll(anApiAt(port, answering(addresses))))
    expect(refusal).toMatchObject({ code: 'PRIVATE_ADDRESS', respondedAt: null })
    expect(refusal.message).toContain(`gateway.example is the private address ${addresses.at(-1)}`)
    expect(toProblemCode(refusal.code, refusal.message)).toBe('private_address')
    expect(connections()).toBe(0)
  })

  test.each([
    ['name', 'gateway.example'],
    ['address', '127.0.0.1'],
  ])('is connected to when its %s is named', async (_, named) => {
    const { port, connections } = await aListener()
    expect(refused(await poll(anApiAt(port, answering(['127.0.0.1']), [named]))).code).toBe('NETWORK')
    expect(connections()).toBe(1)
  })

  test('is checked for each connection: an address that changes afterwards is refused too', async () => {
    const { port, connections } = await aListener()
    const lookup = answering(['127.0.0.1'], ['127.0.0.2'])
    const api = anApiAt(port, lookup, ['127.0.0.1'])
    expect(refused(await poll(api)).code).toBe('NETWORK')
    expect(refused(await poll(api)).code).toBe('PRIVATE_ADDRESS')
    expect(connections()).toBe(1)
  })

  test('that is localhost may be this machine and nothing else', async () => {
    const server = await startServer()
    server.on(ACCESS_TOKEN, numberedTokens)
    server.on(RESULT, json(READ_BY_ANN))
    const url = server.url.replace('127.0.0.1', 'localhost')
    expect((await poll(anApi(anApp({ url }, INTERNAL)))).kind).toBe('observed')
    expect(refused(await poll(anApi(anApp({ url }), { lookup: answering(['10.1.2.3']) }))).code).toBe('PRIVATE_ADDRESS')
  })
})
