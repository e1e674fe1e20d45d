import { expect, test } from 'vitest'
import { checkBaseUrl, hostsOf } from '../../src/dingtalk/hosts.ts'

test('each region has its own two hosts', () => {
  expect(hostsOf('intl')).toEqual({ oapiUrl: 'https://oapi.dingtalk.io', apiUrl: 'https://api.dingtalk.io' })
  expect(hostsOf('cn')).toEqual({ oapiUrl: 'https://oapi.dingtalk.com', apiUrl: 'https://api.dingtalk.com' })
})

test.each([
  ['https://oapi.dingtalk.io', 'https://oapi.dingtalk.io'],
  ['https://OAPI.dingtalk.io:443/', 'https://oapi.dingtalk.io'],
  ['https://gateway.example/dingtalk//', 'https://gateway.example/dingtalk'],
  ['http://localhost:8088', 'http://localhost:8088'],
  ['http://127.0.0.1:8088/', 'http://127.0.0.1:8088'],
  ['http://127.8.9.10', 'http://127.8.9.10'],
  ['http://127.1:80', 'http://127.0.0.1'],
  ['http://[::1]:8088', 'http://[::1]:8088'],
])('%s is accepted as %s', (given, normalised) => {
  expect(checkBaseUrl(given)).toBe(normalised)
})

test.each([
  ['', /not a URL/],
  ['oapi.dingtalk.io', /not a URL/],
  ['ftp://oapi.dingtalk.io', /not an https URL/],
  ['http://oapi.dingtalk.io', /loopback/],
  ['http://127.0.0.1.example.com', /loopback/],
  ['http://localhost.example.com', /loopback/],
  ['http://128.0.0.1', /loopback/],
  ['http://0.0.0.0', /loopback/],
  ['http://[::2]', /loopback/],
  ['https://user@oapi.dingtalk.io', /user name/],
  ['https://:word@oapi.dingtalk.io', /user name/],
  ['https://oapi.dingtalk.io?access_token=x', /query/],
  ['https://oapi.dingtalk.io/?', /query/],
  ['https://oapi.dingtalk.io#x', /fragment/],
])('%s is refused with the reason', (given, reason) => {
  expect(() => checkBaseUrl(given)).toThrow(reason)
})

test('the message shows neither user info nor a query', () => {
  const url = 'https://canary-user:canary-word@oapi.dingtalk.io/?access_token=canary-token'
  expect(() => checkBaseUrl(url)).toThrow(expect.objectContaining({ message: expect.not.stringContaining('canary') }))
})
