import { expect, it } from 'vitest'
import type { SubmissionRowFragment } from '../api/generated'
import { addressOf, conditionsOf, filtersOf, fits, noFilters } from './filters'

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

it('asks for exact times where they are given', () => {
  const [from, to] = ['2026-03-02T10:05:00.000Z', '2026-03-02T10:10:00.000Z']
  const { createdAfter, createdBefore } = conditionsOf({ ...noFilters, from, to }, false)
  expect([createdAfter, createdBefore]).toEqual([from, to])
})

it('knows which news belong into a list', () => {
  const row: SubmissionRowFragment = {
    id: 'sub_1',
    language: 'c',
    createdAt: '2026-03-02T10:07:00.000Z',
    mainPath: 'main.c',
    author: { id: 'usr_1', username: 'ada', displayName: 'Ada' },
    course: null,
    files: [{ path: 'main.c', text: 'int Main;' }],
    attempt: { id: 'att_1', number: 1, state: 'FINISHED', verdict: 'COMPILE_ERROR', steps: [] },
  }
  const isIn = (change: Partial<typeof noFilters>) => fits({ ...noFilters, ...change }, row)
  expect(isIn({})).toBe(true)
  expect(isIn({ language: 'c', verdict: 'FAILED', author: 'usr_1', text: 'main' })).toBe(true)
  expect(isIn({ verdict: 'OK' })).toBe(false)
  expect(isIn({ language: 'python3' })).toBe(false)
  expect(isIn({ course: 'crs_1' })).toBe(false)
  expect(isIn({ to: '2026-03-02T10:07:00.000Z' })).toBe(false)
  expect(isIn({ text: 'nothing of it' })).toBe(false)
})
