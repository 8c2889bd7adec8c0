import { expect, it } from 'vitest'
import { periodWords } from '../ui/words'
import { niceTop, ticksFor } from './axis'

it.each([
  [0, 2],
  [1, 2],
  [2, 2],
  [3, 4],
  [5, 6],
  [11, 20],
  [55, 60],
  [101, 200],
])('an axis for %i ends at %i', (most, top) => {
  expect(niceTop(most)).toBe(top)
})

it('names a period by no more than it needs', () => {
  const at = (text: string) => new Date(`2026-11-23T${text}`)
  expect(periodWords(at('17:05'), at('17:10'))).toMatch(/23.* – .*10/)
  expect(periodWords(at('00:00'), new Date('2026-11-30T00:00'))).toMatch(/23.* – .*29/)
})

const hourMs = 3_600_000

it('names the days of weeks, each once', () => {
  const start = new Date('2026-11-02T18:00').getTime()
  const starts = Array.from({ length: 80 }, (_, index) => start + index * 6 * hourMs)
  const ticks = ticksFor(starts, 6 * hourMs, 100)
  expect(ticks.slice(0, 3).map(({ index }) => index)).toEqual([0, 1, 5])
  expect(new Set(ticks.map(({ text }) => text)).size).toBe(ticks.length)
  expect(ticksFor(starts, 6 * hourMs, 7).length).toBeLessThanOrEqual(7)
})

it('names the hours of a day by the clock', () => {
  const start = new Date('2026-11-02T08:00').getTime()
  const starts = Array.from({ length: 8 }, (_, index) => start + index * hourMs)
  const texts = ticksFor(starts, hourMs, 4).map(({ text }) => text)
  expect(texts).toHaveLength(4)
  expect(texts[1]).toMatch(/10/)
})
