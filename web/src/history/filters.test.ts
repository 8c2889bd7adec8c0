import { expect, it } from 'vitest'
import { addressOf, conditionsOf, filtersOf, noFilters } from './filters'

it('keeps filters in the address', () => {
  const filters = { ...noFilters, language: 'c++', verdict: 'RUNTIME_ERROR', text: 'a&b' } as const
  const address = addressOf('/history', filters)
  expect(address).toBe('/history?language=c%2B%2B&verdict=RUNTIME_ERROR&text=a%26b')
  expect(filtersOf(new URL(address, 'http://x').searchParams)).toEqual(filters)
  expect(addressOf('/history', noFilters)).toBe('/history')
})

it('takes no verdict that does not exist', () => {
  expect(filtersOf(new URLSearchParams('verdict=BEST')).verdict).toBe('')
})

it('asks for whole days', () => {
  const { createdAfter, createdBefore } = conditionsOf(
    { ...noFilters, from: '2026-03-02', to: '2026-03-02' },
    false,
  )
  expect(Date.parse(createdBefore ?? '') - Date.parse(createdAfter ?? '')).toBe(86_400_000)
  expect(conditionsOf({ ...noFilters, from: 'soon' }, false).createdAfter).toBeNull()
})
