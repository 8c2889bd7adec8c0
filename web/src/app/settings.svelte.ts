// How this browser likes it: kept here, never sent.
import { isRecord, recall, remember } from './storage'

export const themes = ['system', 'light', 'dark', 'contrast'] as const
type Theme = (typeof themes)[number]
export const layouts = ['side', 'stacked'] as const
type Layout = (typeof layouts)[number]

export const editorThemes = [
  'app',
  'one-dark',
  'github-light',
  'dracula',
  'monokai',
  'solarized-light',
  'solarized-dark',
] as const
export type EditorTheme = (typeof editorThemes)[number]

const smallest = 10
const largest = 32

function oneOf<T extends string>(choices: readonly T[], value: unknown, otherwise: T): T {
  return choices.find((choice) => choice === value) ?? otherwise
}

function within(value: unknown, low: number, high: number, otherwise: number): number {
  return typeof value === 'number' && value >= low && value <= high ? value : otherwise
}

class Settings {
  theme = $state<Theme>('system')
  editorTheme = $state<EditorTheme>('app')
  fontSize = $state(14)
  layout = $state<Layout>('side')
  /** The editor's share of the width (side) or height (stacked), in per cent. */
  share = $state(56)
  areNamesHidden = $state(false)
  #systemIsDark = $state(false)

  /** What is shown, once the system's wish is known. */
  readonly shownTheme = $derived(
    this.theme === 'system' ? (this.#systemIsDark ? 'dark' : 'light') : this.theme,
  )

  constructor() {
    const stored = recall('settings', isRecord) ?? {}
    this.theme = oneOf(themes, stored['theme'], 'system')
    this.editorTheme = oneOf(editorThemes, stored['editorTheme'], 'app')
    this.fontSize = within(stored['fontSize'], smallest, largest, 14)
    this.layout = oneOf(layouts, stored['layout'], 'side')
    this.share = within(stored['share'], 15, 85, 56)
    this.areNamesHidden = stored['areNamesHidden'] === true
    const system = matchMedia('(prefers-color-scheme: dark)')
    this.#systemIsDark = system.matches
    system.addEventListener('change', () => (this.#systemIsDark = system.matches))
  }

  resizeFont(by: number): void {
    this.fontSize = Math.min(largest, Math.max(smallest, this.fontSize + by))
  }

  /** To be called in an effect: stores and shows every change from then on. */
  apply(): void {
    const { theme, editorTheme, fontSize, layout, share, areNamesHidden } = this
    remember('settings', { theme, editorTheme, fontSize, layout, share, areNamesHidden })
    document.documentElement.dataset['theme'] = this.shownTheme
    document.documentElement.style.setProperty('--code-size', `${fontSize}px`)
  }
}

export const settings = new Settings()
