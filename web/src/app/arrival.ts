import { router } from './router.svelte'

/**
 * For the `main` of a page: whoever follows a link begins to read there, as after loading a page. The
 * page that was loaded itself decides on its own where it begins.
 */
export function arrival(main: HTMLElement): void {
  main.tabIndex = -1
  main.id = 'content'
  if (router.hasMoved) main.focus({ preventScroll: true })
}
