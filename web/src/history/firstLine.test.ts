import { expect, it } from 'vitest'
import { firstLine } from './firstLine'

const of = (text: string | null) =>
  firstLine({ mainPath: 'main.c', files: [{ path: 'main.c', text }] })

it('takes the first line that says something', () => {
  expect(of('#include <stdio.h>\n\n// adds\nint main(void) {\n')).toBe('int main(void) {')
  expect(of('')).toBe('main.c')
  expect(of(null)).toBe('main.c')
  expect(of('x'.repeat(1_000_000))).toHaveLength(200)
})
