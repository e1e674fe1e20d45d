import { expect, test } from 'vitest'
import { shardFaults, showServers, splitServers } from '../../src/lib/queue-shards.ts'

const NAMES = { url: 'QUEUE_URL', shards: 'QUEUE_SHARDS' }

test('several addresses stand in one text, separated by spaces; a space in a password separates nothing', () => {
  expect(splitServers('redis://one:6379')).toEqual(['redis://one:6379'])
  expect(splitServers('redis://one  rediss://two/1\nredis+sentinel://a,b/main')).toEqual([
    'redis://one',
    'rediss://two/1',
    'redis+sentinel://a,b/main',
  ])
  expect(splitServers('redis://:pass word@one redis://two')).toEqual(['redis://:pass word@one', 'redis://two'])
  expect(splitServers('postgres://db/a b')).toEqual(['postgres://db/a b'])
})

test('a log shows hosts and no passwords', () => {
  expect(showServers('redis://u:secret@one:6379/2 rediss://:secret@two:6380')).toBe('redis://one:6379/2 rediss://two:6380')
})

test('several queues need Redis, and at least as many queues as servers', () => {
  expect(shardFaults('redis://one', 1, NAMES)).toEqual([])
  expect(shardFaults('redis://one redis://two', 2, NAMES)).toEqual([])
  expect(shardFaults(undefined, 9, NAMES)).toEqual([])
  expect(shardFaults('postgres://db/x', 1, NAMES)).toEqual([])
  expect(shardFaults('postgres://db/x', 2, NAMES)).toEqual([expect.stringMatching(/^QUEUE_SHARDS: is 2, and the queue is in PostgreSQL\./)])
  expect(shardFaults('redis://one redis://two', 1, NAMES)).toEqual([
    'QUEUE_URL: names 2 servers, and QUEUE_SHARDS is 1. Give at least as many queues as servers.',
  ])
})
