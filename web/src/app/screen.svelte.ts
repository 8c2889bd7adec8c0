// What the width of the window decides beyond its style sheets.
class Screen {
  /** Too narrow for all that belongs into the toolbar. */
  isNarrow = $state(false)

  constructor() {
    const narrow = matchMedia('(max-width: 1000px)')
    this.isNarrow = narrow.matches
    narrow.addEventListener('change', () => (this.isNarrow = narrow.matches))
  }
}

export const screen = new Screen()
