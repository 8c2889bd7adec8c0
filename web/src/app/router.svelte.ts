// The address bar is part of the state: pages and filters are read from it and written to it.
import { routeOf } from './route'

class Router {
  #url = $state.raw(new URL(location.href))
  readonly route = $derived(routeOf(this.#url.pathname))
  readonly query = $derived(this.#url.searchParams)
  readonly address = $derived(this.#url.pathname + this.#url.search)

  /** Whether the page that is shown is another one than the one that was loaded. */
  hasMoved = false

  constructor() {
    addEventListener('popstate', () => {
      this.hasMoved = true
      this.#url = new URL(location.href)
    })
  }

  go(address: string): void {
    history.pushState(null, '', address)
    this.hasMoved = true
    this.#url = new URL(location.href)
    scrollTo(0, 0)
  }

  replace(address: string): void {
    history.replaceState(null, '', address)
    this.#url = new URL(location.href)
  }

  /** Links of the app change the page without loading it anew; all others stay links. */
  follow(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0) return
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    if (!(event.target instanceof Element)) return
    const link = event.target.closest('a')
    if (!link || link.target !== '' || link.hasAttribute('download')) return
    if (link.origin !== location.origin || link.dataset['leaves'] !== undefined) return
    event.preventDefault()
    this.go(link.pathname + link.search)
  }
}

export const router = new Router()
