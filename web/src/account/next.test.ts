import { expect, it } from 'vitest'
import { nextAddress } from './next'

it.each([
  [null, '/'],
  ['/history?verdict=OK', '/history?verdict=OK'],
  ['https://elsewhere.example', '/'],
  ['//elsewhere.example', '/'],
  ['/\\elsewhere.example', '/'],
  ['javascript:alert(1)', '/'],
])('%s', (next, address) => {
  expect(nextAddress(next)).toBe(address)
})
