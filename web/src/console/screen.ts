/* eslint-disable no-control-regex -- controls are what this file is about */
// The lines of a console, made of what a program printed and what was typed. Grows piece by piece; is
// as long as the output is, and only what is in view is ever drawn.
import type { Piece } from '../run/reduce'
import { plain, type Style, styled } from './ansi'

export type Source = Piece['source']

export interface Span {
  text: string
  style: Style
  source: Source
}

/** A line in the usual style of standard output is just its text. */
export type Line = string | Span[]

// A run of ordinary characters; then what needs care: controls, and the characters that would turn
// around the order of those next to them (Unicode bidirectional controls).
const ordinary = /[^\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+/uy
// CSI, OSC and other string sequences, two-character escapes. Bounded, so that none holds up a flood.
const escape =
  /\u001b(?:\[([\u0030-\u003f]{0,64})[\u0020-\u002f]{0,8}([\u0040-\u007e])|[\]PX^_][^\u0007\u001b]{0,4096}(?:\u0007|\u001b\\)|[\u0020-\u002f]{0,4}[\u0030-\u004f\u0051-\u0057\u0059\u005a\u005c\u0060-\u007e])/uy
const longestEscape = 4_200
const tabWidth = 8

export function textOf(line: Line): string {
  return typeof line === 'string' ? line : line.map((span) => span.text).join('')
}

export function lengthOf(line: Line): number {
  if (typeof line === 'string') return line.length
  return line.reduce((length, span) => length + span.text.length, 0)
}

/** The part of a line between two columns. */
export function sliceOf(line: Line, from: number, to: number): Span[] {
  if (typeof line === 'string') {
    return [{ text: line.slice(from, to), style: plain, source: 'STDOUT' }]
  }
  const spans: Span[] = []
  let start = 0
  for (const span of line) {
    const end = start + span.text.length
    if (end > from && start < to) {
      spans.push({ ...span, text: span.text.slice(Math.max(0, from - start), to - start) })
    }
    start = end
  }
  return spans
}

/** How a control character is shown: by its picture, or by its number where it has none. */
function shown(character: string): string {
  const code = character.codePointAt(0) ?? 0
  if (code < 0x20) return String.fromCodePoint(0x2400 + code)
  if (code === 0x7f) return '\u2421'
  return `⟨U+${code.toString(16).toUpperCase().padStart(4, '0')}⟩`
}

export class Screen {
  lines: Line[] = ['']
  #column = 0
  #styles: Record<Source, Style> = { STDOUT: plain, STDERR: plain, INPUT: plain }
  /** An escape sequence whose end has not arrived yet. */
  #pending: Record<Source, string> = { STDOUT: '', STDERR: '', INPUT: '' }

  feed({ source, text }: Pick<Piece, 'source' | 'text'>): void {
    const input = this.#pending[source] + text
    this.#pending[source] = ''
    let at = 0
    while (at < input.length) {
      ordinary.lastIndex = at
      const run = ordinary.exec(input)
      if (run) {
        this.#write(run[0], source)
        at += run[0].length
      } else {
        at = this.#control(input, at, source)
      }
    }
  }

  #control(input: string, at: number, source: Source): number {
    const character = input[at] ?? ''
    if (character === '\n') {
      this.lines.push('')
      this.#column = 0
    } else if (character === '\r') {
      // As a terminal does it: what comes next is written over the line.
      this.#column = 0
    } else if (character === '\t') {
      this.#write(' '.repeat(tabWidth - (this.#column % tabWidth)), source)
    } else if (character === '\b') {
      this.#column = Math.max(0, this.#column - 1)
    } else if (character === '\u001b') {
      return this.#escape(input, at, source)
    } else if (character !== '\u0007') {
      this.#write(shown(character), source)
    }
    return at + 1
  }

  #escape(input: string, at: number, source: Source): number {
    escape.lastIndex = at
    const match = escape.exec(input)
    if (!match) {
      const rest = input.slice(at)
      if (rest.length < longestEscape && couldGoOn(rest)) {
        this.#pending[source] = rest
        return input.length
      }
      this.#write(shown('\u001b'), source)
      return at + 1
    }
    const [all, parameters = '', final] = match
    if (final === 'm' && /^[\d;:]*$/u.test(parameters)) {
      this.#styles[source] = styled(this.#styles[source], parameters)
    } else if (final === 'K' && (parameters === '' || parameters === '0')) {
      this.#cut()
    }
    return at + all.length
  }

  /** Takes away what stands behind the cursor in its line. */
  #cut(): void {
    const last = this.lines.length - 1
    const line = this.lines[last] ?? ''
    if (this.#column < lengthOf(line)) {
      this.lines[last] =
        typeof line === 'string' ? line.slice(0, this.#column) : sliceOf(line, 0, this.#column)
    }
  }

  #write(text: string, source: Source): void {
    const last = this.lines.length - 1
    const line = this.lines[last] ?? ''
    const style = this.#styles[source]
    const from = this.#column
    this.#column += text.length
    if (typeof line === 'string' && style === plain && source === 'STDOUT') {
      this.lines[last] =
        from === line.length ? line + text : line.slice(0, from) + text + line.slice(this.#column)
      return
    }
    const spans: Span[] =
      typeof line !== 'string' ? line : line === '' ? [] : sliceOf(line, 0, line.length)
    const written: Span = { text, style, source }
    const end = lengthOf(spans)
    if (from === end) {
      const before = spans.at(-1)
      if (before?.style === style && before.source === source) before.text += text
      else spans.push(written)
      this.lines[last] = spans
    } else {
      this.lines[last] = [...sliceOf(spans, 0, from), written, ...sliceOf(spans, this.#column, end)]
    }
  }
}

/** Whether more input could make an escape sequence of it. */
function couldGoOn(text: string): boolean {
  return /^\u001b(?:$|\[[\u0020-\u003f]*$|[\]PX^_][^\u0007\u001b]*\u001b?$|[\u0020-\u002f]+$)/u.test(
    text,
  )
}
