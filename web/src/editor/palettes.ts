// The colours of program text.
import type { EditorTheme } from '../app/settings.svelte'

export interface Palette {
  isDark: boolean
  background: string
  ink: string
  faint: string
  selection: string
  line: string
  keyword: string
  string: string
  number: string
  comment: string
  name: string
  type: string
  operator: string
}

export const appLight: Palette = {
  isDark: false,
  background: '#ffffff',
  ink: '#1b1f27',
  faint: '#646d7b',
  selection: '#cfdcfb',
  line: '#f0f3f9',
  keyword: '#7a2fa0',
  string: '#176b3a',
  number: '#95480b',
  comment: '#5f6876',
  name: '#2449b5',
  type: '#0b6a75',
  operator: '#525b69',
}

export const appDark: Palette = {
  isDark: true,
  background: '#1b1f26',
  ink: '#e6e9ee',
  faint: '#8f99a8',
  selection: '#37476f',
  line: '#222731',
  keyword: '#dba8f5',
  string: '#8fdcab',
  number: '#f5c48a',
  comment: '#98a2b1',
  name: '#a5bdff',
  type: '#82d8e2',
  operator: '#c1c9d5',
}

export const contrast: Palette = {
  isDark: true,
  background: '#000000',
  ink: '#ffffff',
  faint: '#d0d0d0',
  selection: '#5a5200',
  line: '#1a1a1a',
  keyword: '#f5b8ff',
  string: '#7dff9f',
  number: '#ffd27a',
  comment: '#d0d0d0',
  name: '#a8c0ff',
  type: '#8df0ff',
  operator: '#ffffff',
}

export const chosen: Record<Exclude<EditorTheme, 'app'>, Palette> = {
  'one-dark': {
    isDark: true,
    background: '#282c34',
    ink: '#abb2bf',
    faint: '#7d8799',
    selection: '#3e4451',
    line: '#2c313a',
    keyword: '#c678dd',
    string: '#98c379',
    number: '#d19a66',
    comment: '#7d8799',
    name: '#61afef',
    type: '#e5c07b',
    operator: '#56b6c2',
  },
  'github-light': {
    isDark: false,
    background: '#ffffff',
    ink: '#1f2328',
    faint: '#6e7781',
    selection: '#bbdfff',
    line: '#f6f8fa',
    keyword: '#cf222e',
    string: '#0a3069',
    number: '#0550ae',
    comment: '#59636e',
    name: '#8250df',
    type: '#953800',
    operator: '#0550ae',
  },
  dracula: {
    isDark: true,
    background: '#282a36',
    ink: '#f8f8f2',
    faint: '#8d9bc9',
    selection: '#44475a',
    line: '#313442',
    keyword: '#ff79c6',
    string: '#f1fa8c',
    number: '#bd93f9',
    comment: '#8d9bc9',
    name: '#50fa7b',
    type: '#8be9fd',
    operator: '#ff79c6',
  },
  monokai: {
    isDark: true,
    background: '#272822',
    ink: '#f8f8f2',
    faint: '#a59f85',
    selection: '#49483e',
    line: '#32332b',
    keyword: '#f92672',
    string: '#e6db74',
    number: '#ae81ff',
    comment: '#a59f85',
    name: '#a6e22e',
    type: '#66d9ef',
    operator: '#f92672',
  },
  'solarized-light': {
    isDark: false,
    background: '#fdf6e3',
    ink: '#586e75',
    faint: '#657b83',
    selection: '#e0dac3',
    line: '#eee8d5',
    keyword: '#859900',
    string: '#2aa198',
    number: '#d33682',
    comment: '#7c8c8d',
    name: '#268bd2',
    type: '#b58900',
    operator: '#657b83',
  },
  'solarized-dark': {
    isDark: true,
    background: '#002b36',
    ink: '#93a1a1',
    faint: '#839496',
    selection: '#0f4654',
    line: '#073642',
    keyword: '#859900',
    string: '#2aa198',
    number: '#d33682',
    comment: '#839496',
    name: '#268bd2',
    type: '#b58900',
    operator: '#93a1a1',
  },
}
