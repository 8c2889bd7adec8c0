import { expect, it } from 'vitest'
import { untilOkClass, untilOkCounts } from './untilOk'

it.each([
  [null, 'none'],
  [1, '1'],
  [5, '5'],
  [6, '6-10'],
  [10, '6-10'],
  [11, '11+'],
  [400, '11+'],
])('%s runs are in the class %s', (untilOk, name) => {
  expect(untilOkClass({ untilOk })).toBe(name)
})

it('counts students, and nobody twice', () => {
  const counts = untilOkCounts([{ untilOk: 1 }, { untilOk: 1 }, { untilOk: 7 }, { untilOk: null }])
  expect(counts.filter(({ count }) => count > 0)).toEqual([
    { name: '1', count: 2 },
    { name: '6-10', count: 1 },
    { name: 'none', count: 1 },
  ])
})
