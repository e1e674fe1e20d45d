import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { FATES } from '../../src/simulator/fate.ts'
import { FAULT_KINDS } from '../../src/simulator/faults.ts'
import { ENDPOINTS } from '../../src/simulator/request.ts'
import { bench, fetchReply } from './harness.ts'

const PAGE = readFileSync(new URL('../../docs/simulator.md', import.meta.url), 'utf8')

test.each([...FAULT_KINDS, ...FATES, ...ENDPOINTS])('the page explains %s', (word) => {
  expect(PAGE).toContain(`\`${word}\``)
})

test('every fault that the page shows is accepted, as curl sends it', async () => {
  const { simulator } = await bench()
  const shown = [...PAGE.matchAll(/_simulator\/faults -d '(.+)'/g)].map((match) => match[1] ?? '')
  expect(shown).toHaveLength(4)
  for (const body of shown) {
    const reply = await fetchReply(`${simulator.url}/_simulator/faults`, { method: 'POST', body })
    expect(reply.status, reply.text).toBe(201)
  }
})

test('the task that the page shows is accepted', async () => {
  const { post } = await bench()
  const body = /_simulator\/tasks -H .+? -d '(\{.+?\]\})'/s.exec(PAGE)?.[1]
  expect(await post('/_simulator/tasks', body)).toMatchObject({ status: 201, json: { taskId: '9007199254740993123' } })
})
