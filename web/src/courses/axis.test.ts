import { expect, it } from 'vitest'
import { periodWords } from '../ui/words'
import { niceTop } from './axis'

it.each([
  [0, 2],
  [1, 2],
  [2, 2],
  [3, 5],
  [11, 20],
  [55, 100],
  [101, 200],
])('an axis for %i ends at %i', (most, top) => {
  expect(niceTop(most)).toBe(top)
})

it('names a period by no more than it needs', () => {
  const at = (text: string) => new Date(`2026-11-23T${text}`)
  expect(periodWords(at('17:05'), at('17:10'))).toMatch(/23.* – .*10/)
  expect(periodWords(at('00:00'), new Date('2026-11-30T00:00'))).toMatch(/23.* – .*29/)
})
