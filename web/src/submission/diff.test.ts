import { expect, it } from 'vitest'
import { changeSize, rowsOf } from './diff'

const unified = [
  '--- main.py',
  '+++ main.py',
  '@@ -1,3 +1,3 @@',
  ' a',
  '-b',
  '+B',
  ' c',
  '@@ -10 +10,2 @@',
  ' x',
  '+--- y',
  '\\ No newline at end of file',
  '',
].join('\n')

it('numbers the lines of both sides', () => {
  expect(rowsOf(unified)).toEqual([
    { kind: 'same', before: 1, after: 1, text: 'a' },
    { kind: 'removed', before: 2, after: null, text: 'b' },
    { kind: 'added', before: null, after: 2, text: 'B' },
    { kind: 'same', before: 3, after: 3, text: 'c' },
    { kind: 'gap', before: null, after: null, text: '' },
    { kind: 'same', before: 10, after: 10, text: 'x' },
    { kind: 'added', before: null, after: 11, text: '--- y' },
  ])
  expect(rowsOf('')).toEqual([])
})

it('measures a change', () => {
  const file = (text: string) => [{ path: 'a', text }]
  expect(changeSize(file('1\n2\n3'), file('1\n2\n3'))).toBe(0)
  expect(changeSize(file('1\n2\n3'), file('1\n4\n3\n5'))).toBe(3)
  expect(changeSize([], file('1\n2'))).toBe(2)
})
