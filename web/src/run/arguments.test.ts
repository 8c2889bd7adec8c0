import { expect, it } from 'vitest'
import { joinArguments, splitArguments } from './arguments'

it.each([
  ['', []],
  ['  a  b ', ['a', 'b']],
  ['"a b" c', ['a b', 'c']],
  [`'it"s' x\\ y`, ['it"s', 'x y']],
  ['""', ['']],
  ['--name="Ada L"', ['--name=Ada L']],
  ['"never closed', ['never closed']],
])('%s', (text, words) => {
  expect(splitArguments(text)).toEqual(words)
})

it('reads back what it wrote', () => {
  const words = ['plain', 'two words', '', 'quote"s', 'back\\slash', "it's", 'a=b']
  expect(splitArguments(joinArguments(words))).toEqual(words)
})
