// Collects what comes in and hands it on once per frame: a flood costs as much as a drop.
export class Frames<Item> {
  #items: Item[] = []
  #frame: number | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  readonly #take: (items: readonly Item[]) => void

  constructor(take: (items: readonly Item[]) => void) {
    this.#take = take
  }

  add(item: Item): void {
    this.#items.push(item)
    if (this.#frame !== undefined) return
    this.#frame = requestAnimationFrame(() => this.flush())
    // A page in the background gets no frames.
    this.#timer = setTimeout(() => this.flush(), 250)
  }

  flush(): void {
    const items = this.#items
    this.clear()
    if (items.length > 0) this.#take(items)
  }

  clear(): void {
    if (this.#frame !== undefined) cancelAnimationFrame(this.#frame)
    clearTimeout(this.#timer)
    this.#frame = undefined
    this.#items = []
  }
}
