import { expect, it } from 'vitest'
import { Changes, type KnownRun } from './changes'

let minute = 10
function run(student: string, text: string): KnownRun {
  minute += 1
  return {
    createdAt: `2026-03-02T10:${minute}:00.000Z`,
    author: { id: student },
    files: [{ path: 'main.py', text }],
  }
}

it('counts the lines that each student changed from run to run', () => {
  const changes = new Changes()
  const runs = [run('ada', 'a\nb'), run('bob', 'x'), run('ada', 'a\nc'), run('bob', 'x')]
  changes.begin(['ada', 'bob', 'eve'], runs)
  expect(changes.sizes.get('ada')).toEqual([2])
  expect(changes.sizes.get('bob')).toEqual([0])
  expect(changes.sizes.get('eve')).toEqual([])

  // What is known already changes nothing, and leaves the charts as they are.
  const before = changes.sizes.get('ada')
  changes.add(runs)
  expect(changes.sizes.get('ada')).toBe(before)

  changes.add([run('ada', 'a\nc\nd')])
  expect(changes.sizes.get('ada')).toEqual([2, 1])
})

it('waits with those whose last runs it has not seen', () => {
  const changes = new Changes()
  changes.add([run('ada', 'a'), run('ada', 'b')])
  expect(changes.sizes.size).toBe(0)
})

it('remembers no more than a chart shows', () => {
  const changes = new Changes()
  const runs = Array.from({ length: 20 }, (_, index) => run('ada', String(index)))
  changes.begin(['ada'], runs)
  expect(changes.sizes.get('ada')).toEqual(Array.from({ length: 8 }, () => 2))
})
