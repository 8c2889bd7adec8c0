import { expect, it } from 'vitest'
import { dayOf, niceTop } from './axis'

it.each([
  [0, 1],
  [1, 1],
  [3, 5],
  [7, 10],
  [10, 10],
  [11, 20],
  [420, 500],
])('%i ends at %i', (most, top) => {
  expect(niceTop(most)).toBe(top)
})

it('names a day', () => {
  expect(dayOf(new Date(2026, 2, 2, 23, 59).toISOString())).toBe('2026-03-02')
})
