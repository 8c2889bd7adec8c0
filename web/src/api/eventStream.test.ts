import { expect, it } from 'vitest'
import { EventStream, type ServerEvent } from './eventStream'

const wire =
  ': hello\n\nevent: next\nid: 7\ndata: {"data":1}\n\nevent: next\r\ndata:a\r\ndata: b\r\n\r\nevent: complete\ndata\n\n'
const events = [
  { name: 'next', data: '{"data":1}' },
  { name: 'next', data: 'a\nb' },
  { name: 'complete', data: '' },
]

it('reads events wherever the wire cuts them', () => {
  for (let size = 1; size <= wire.length; size += 1) {
    const stream = new EventStream()
    const found: ServerEvent[] = []
    for (let at = 0; at < wire.length; at += size) {
      found.push(...stream.feed(wire.slice(at, at + size)))
    }
    expect(found, `pieces of ${size}`).toEqual(events)
  }
})

it('waits for the end of an event', () => {
  expect(new EventStream().feed('event: next\ndata: 1\n')).toEqual([])
})
