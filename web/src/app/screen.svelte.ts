// What the width of the window decides beyond its style sheets.
class Screen {
  /** As on a phone; the same width as in the style sheets. */
  isNarrow = $state(false)

  constructor() {
    const narrow = matchMedia('(max-width: 700px)')
    this.isNarrow = narrow.matches
    narrow.addEventListener('change', () => (this.isNarrow = narrow.matches))
  }
}

export const screen = new Screen()
