import { tick } from 'svelte'

/**
 * For a button that takes away what it stands in: whoever pressed it goes on from the page, and does not
 * begin again at the top of the window.
 */
export function handOver(button: HTMLElement): () => void {
  let wasFocused = false
  button.addEventListener('focus', () => (wasFocused = true))
  return () => {
    if (!wasFocused) return
    void tick().then(() => {
      if (document.activeElement !== document.body) return
      document.querySelector('main')?.focus({ preventScroll: true })
    })
  }
}
