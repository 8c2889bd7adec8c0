import { describe, expect, it } from 'vitest'
import type { Source } from './screen'
import { Screen, sliceOf, textOf } from './screen'

function screen(...pieces: (string | [Source, string])[]): Screen {
  const made = new Screen()
  for (const piece of pieces) {
    if (typeof piece === 'string') made.feed({ source: 'STDOUT', text: piece })
    else made.feed({ source: piece[0], text: piece[1] })
  }
  return made
}

const lines = (made: Screen) => made.lines.map(textOf)

describe('Screen', () => {
  it('breaks lines wherever the pieces break', () => {
    expect(lines(screen('one\ntw', 'o\n', '\nthree'))).toEqual(['one', 'two', '', 'three'])
  })

  it('keeps the order of streams and tells them apart', () => {
    const made = screen('Name? ', ['INPUT', 'ada\n'], ['STDERR', 'oh no\n'], 'bye')
    expect(lines(made)).toEqual(['Name? ada', 'oh no', 'bye'])
    expect(sliceOf(made.lines[0] ?? '', 0, 99).map((span) => span.source)).toEqual([
      'STDOUT',
      'INPUT',
    ])
    expect(sliceOf(made.lines[1] ?? '', 0, 99)[0]?.source).toBe('STDERR')
    expect(made.lines[2]).toBe('bye')
  })

  it('colours, also when the sequence is cut in two', () => {
    const made = screen('\u001b[1;3', '1mred\u001b[0m plain \u001b[38;5;196mx\u001b[38;2;1;2;3my')
    const spans = sliceOf(made.lines[0] ?? '', 0, 99)
    expect(spans.map((span) => [span.text, span.style.colour, span.style.isBold])).toEqual([
      ['red', 1, true],
      [' plain ', null, false],
      ['x', '#ff0000', false],
      ['y', '#010203', false],
    ])
  })

  it('takes nothing of a terminal but colours', () => {
    expect(
      lines(
        screen('a\u001b[2Jb\u001b]0;title\u0007c\u001b]8;;http://x\u001b\\d\u001b[10;10He\u001bcf'),
      ),
    ).toEqual(['abcdef'])
  })

  it('writes over a line after a carriage return', () => {
    expect(lines(screen('10%\r20%\r\u001b[Kdone\r\nnext'))).toEqual(['done', 'next'])
    expect(lines(screen('abc\b\bX'))).toEqual(['aXc'])
  })

  it('shows what would deceive', () => {
    expect(lines(screen('a\u0000b\u202ec\u009bd'))).toEqual(['a␀b⟨U+202E⟩c⟨U+009B⟩d'])
    expect(lines(screen('<script>alert(1)</script>'))).toEqual(['<script>alert(1)</script>'])
  })

  it('does not wait for ever for the end of a sequence', () => {
    const made = screen('\u001b]', 'x'.repeat(10_000), 'y\n')
    expect(lines(made)[0]?.length).toBeGreaterThan(10_000)
  })

  it('cuts a line by columns', () => {
    const made = screen('abc', ['STDERR', 'def'], 'ghi')
    expect(sliceOf(made.lines[0] ?? '', 2, 7).map((span) => span.text)).toEqual(['c', 'def', 'g'])
  })

  it('takes ten megabytes in well under a second or two', () => {
    const made = new Screen()
    const piece = `${'y'.repeat(79)}\n`.repeat(800)
    for (let times = 0; times < 160; times += 1) made.feed({ source: 'STDOUT', text: piece })
    expect(made.lines).toHaveLength(128_001)
    const long = new Screen()
    for (let times = 0; times < 1_000; times += 1)
      long.feed({ source: 'STDERR', text: 'z'.repeat(1_000) })
    expect(textOf(long.lines[0] ?? '')).toHaveLength(1_000_000)
  })
})
