// The address bar is part of the state: pages and filters are read from it and written to it. Going back
// finds a page where it was left: as far down, and on the link that led away.
import { randomKey } from '../ui/browser'
import { routeOf } from './route'
import { isRecord } from './storage'

/** Where an entry of the browser's history was left. */
interface Place {
  scrollY: number
  /** The link that led away; null where something else did. */
  link: string | null
}

interface Entry extends Place {
  /** Tells entries of one address apart. */
  key: string
}

const top: Place = { scrollY: 0, link: null }
/** So long a page may take until it is as high as it was. */
const patienceMs = 5_000
const ownMoves = ['wheel', 'touchmove', 'pointerdown', 'keydown'] as const

function entryOf(state: unknown): Entry {
  const { key, scrollY, link } = isRecord(state) ? state : {}
  return {
    key: typeof key === 'string' ? key : randomKey(),
    scrollY: typeof scrollY === 'number' ? scrollY : 0,
    link: typeof link === 'string' ? link : null,
  }
}

class Router {
  #url = $state.raw(new URL(location.href))
  readonly route = $derived(routeOf(this.#url.pathname))
  readonly query = $derived(this.#url.searchParams)
  readonly address = $derived(this.#url.pathname + this.#url.search)

  /** Whether the page that is shown is another one than the one that was loaded. */
  hasMoved = false

  /** Which entry of the browser's history is shown. What a page keeps under it is found by going back. */
  entry: string
  readonly #places = new Map<string, Place>()
  #stopRestoring = () => {}

  constructor() {
    const entry = entryOf(history.state)
    this.entry = entry.key
    history.scrollRestoration = 'manual'
    history.replaceState(entry, '')
    this.#restore(entry)
    addEventListener('popstate', (event) => {
      // What is shown is still the page that is left.
      this.#leave(null)
      const { key, ...place } = entryOf(event.state)
      this.entry = key
      this.hasMoved = true
      this.#url = new URL(location.href)
      this.#restore(this.#places.get(key) ?? place)
    })
    // For a page that is loaded again.
    addEventListener('pagehide', () => {
      history.replaceState({ key: this.entry, scrollY, link: null } satisfies Entry, '')
    })
  }

  go(address: string, link: string | null = null): void {
    this.#leave(link)
    this.entry = randomKey()
    history.pushState({ key: this.entry, ...top } satisfies Entry, '', address)
    this.hasMoved = true
    this.#url = new URL(location.href)
    scrollTo(0, 0)
  }

  replace(address: string): void {
    history.replaceState(history.state, '', address)
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
    this.go(link.pathname + link.search, link.getAttribute('href'))
  }

  #leave(link: string | null): void {
    this.#stopRestoring()
    this.#places.set(this.entry, { scrollY, link })
  }

  /** As soon as the page is high enough, unless the reader moves first. */
  #restore({ scrollY: wanted, link }: Place): void {
    this.#stopRestoring()
    let isScrolled = wanted === 0
    if (isScrolled) scrollTo(0, 0)
    if (isScrolled && link === null) return
    const attempt = () => {
      if (!isScrolled && document.documentElement.scrollHeight - innerHeight >= wanted) {
        scrollTo(0, wanted)
        isScrolled = true
      }
      const left =
        link === null ? null : document.querySelector(`main a[href="${CSS.escape(link)}"]`)
      if (left instanceof HTMLElement) left.focus({ preventScroll: true })
      if (isScrolled && (left || link === null)) this.#stopRestoring()
    }
    const observer = new MutationObserver(attempt)
    observer.observe(document, { childList: true, subtree: true })
    const timer = setTimeout(() => this.#stopRestoring(), patienceMs)
    const stop = () => {
      observer.disconnect()
      clearTimeout(timer)
      for (const move of ownMoves) removeEventListener(move, stop)
    }
    for (const move of ownMoves) addEventListener(move, stop, { passive: true })
    this.#stopRestoring = stop
  }
}

export const router = new Router()
