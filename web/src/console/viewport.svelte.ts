// Which rows of a screen are in view. Long lines take several rows, as in a terminal; only the rows
// in view exist in the page, however much was printed.
import type { Piece } from '../run/reduce'
import { lengthOf, Screen, sliceOf, type Span, textOf } from './screen'

export interface Row {
  key: number
  line: number
  spans: Span[]
  isFirst: boolean
  hasError: boolean
}

/** Browsers know no elements higher than some 16 million pixels. */
const tallest = 8_000_000
const overscan = 4
/** How long a frame may feed the screen; the rest waits for the next one. */
const budgetMs = 10

export class Viewport {
  screen = new Screen()
  rowHeight = $state(20)
  height = $state(0)
  columns = $state(80)
  scrollTop = $state(0)
  isFollowing = $state(true)
  #version = $state(0)

  #pieces: readonly Piece[] = []
  #generation = -1
  #fed = 0
  #frame: number | undefined
  /** `#ends[i]`: how many rows the lines up to and with line i take. */
  #ends: number[] = []

  readonly rowCount = $derived.by(() => {
    void this.#version
    this.#measure(this.columns)
    return this.#ends.at(-1) ?? 0
  })
  readonly #fullHeight = $derived(this.rowCount * this.rowHeight)
  readonly spacer = $derived(Math.min(this.#fullHeight, tallest))
  readonly #range = $derived(Math.max(0, this.spacer - this.height))
  readonly first = $derived.by(() => {
    const hiddenRows = Math.max(0, this.rowCount - this.height / this.rowHeight)
    const share = this.#range === 0 ? 0 : Math.min(1, this.scrollTop / this.#range)
    return Math.max(0, Math.floor(hiddenRows * share) - overscan)
  })
  /** Where the drawn rows begin, in pixels of the spacer. */
  readonly offset = $derived.by(() => {
    if (this.spacer === this.#fullHeight) return this.first * this.rowHeight
    const hiddenRows = Math.max(0, this.rowCount - this.height / this.rowHeight)
    const share = this.#range === 0 ? 0 : Math.min(1, this.scrollTop / this.#range)
    return this.scrollTop - (hiddenRows * share - this.first) * this.rowHeight
  })
  readonly rows = $derived.by(() => {
    void this.#version
    return this.#rows(this.first)
  })

  /** Shows these pieces: only what is new is read, unless another story began. */
  show(pieces: readonly Piece[], generation: number): void {
    if (generation !== this.#generation || pieces.length < this.#fed) {
      this.screen = new Screen()
      this.#ends = []
      this.#fed = 0
      this.#generation = generation
    }
    this.#pieces = pieces
    this.#feed()
  }

  stop(): void {
    if (this.#frame !== undefined) cancelAnimationFrame(this.#frame)
  }

  text(): string {
    return this.screen.lines.map(textOf).join('\n')
  }

  #feed(): void {
    this.stop()
    const until = performance.now() + budgetMs
    while (this.#fed < this.#pieces.length && performance.now() < until) {
      const piece = this.#pieces[this.#fed]
      if (piece) this.screen.feed(piece)
      this.#fed += 1
    }
    this.#version += 1
    if (this.#fed < this.#pieces.length) this.#frame = requestAnimationFrame(() => this.#feed())
  }

  #measured = 0
  #measure(columns: number): void {
    const { lines } = this.screen
    if (columns !== this.#measured) this.#ends = []
    this.#measured = columns
    // The last line may have grown since it was measured.
    this.#ends.pop()
    for (let index = this.#ends.length; index < lines.length; index += 1) {
      const rows = Math.max(1, Math.ceil(lengthOf(lines[index] ?? '') / columns))
      this.#ends.push((this.#ends[index - 1] ?? 0) + rows)
    }
    // An output that ends with a line break has no empty line behind it.
    if (lines.length > 1 && lines.at(-1) === '') this.#ends.pop()
  }

  #lineAt(row: number): number {
    let low = 0
    let high = this.#ends.length - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#ends[middle] ?? 0) > row) high = middle
      else low = middle + 1
    }
    return low
  }

  #rows(first: number): Row[] {
    const wanted = Math.ceil(this.height / this.rowHeight) + 2 * overscan
    const last = Math.min(this.rowCount, first + wanted)
    const rows: Row[] = []
    for (let row = first, line = this.#lineAt(first); row < last; row += 1) {
      while ((this.#ends[line] ?? 0) <= row) line += 1
      const part = row - (this.#ends[line - 1] ?? 0)
      const content = this.screen.lines[line] ?? ''
      const spans = sliceOf(content, part * this.columns, (part + 1) * this.columns)
      const hasError = spans.some((span) => span.source === 'STDERR')
      rows.push({ key: row, line, spans, isFirst: part === 0, hasError })
    }
    return rows
  }
}
