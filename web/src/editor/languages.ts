// Highlighting for the languages on offer; each comes only when it is needed.
import type { Extension } from '@codemirror/state'
import type { StreamParser } from '@codemirror/language'

async function legacy(parser: Promise<StreamParser<unknown>>): Promise<Extension> {
  const [{ StreamLanguage }, spec] = await Promise.all([import('@codemirror/language'), parser])
  return StreamLanguage.define(spec)
}

const loaders: Record<string, () => Promise<Extension>> = {
  py: async () => (await import('@codemirror/lang-python')).python(),
  js: async () => (await import('@codemirror/lang-javascript')).javascript(),
  ts: async () => (await import('@codemirror/lang-javascript')).javascript({ typescript: true }),
  cpp: async () => (await import('@codemirror/lang-cpp')).cpp(),
  java: async () => (await import('@codemirror/lang-java')).java(),
  go: async () => (await import('@codemirror/lang-go')).go(),
  rs: async () => (await import('@codemirror/lang-rust')).rust(),
  php: async () => (await import('@codemirror/lang-php')).php(),
  sh: () => legacy(import('@codemirror/legacy-modes/mode/shell').then((mode) => mode.shell)),
  rb: () => legacy(import('@codemirror/legacy-modes/mode/ruby').then((mode) => mode.ruby)),
  pl: () => legacy(import('@codemirror/legacy-modes/mode/perl').then((mode) => mode.perl)),
  lua: () => legacy(import('@codemirror/legacy-modes/mode/lua').then((mode) => mode.lua)),
  hs: () => legacy(import('@codemirror/legacy-modes/mode/haskell').then((mode) => mode.haskell)),
  kt: () => legacy(import('@codemirror/legacy-modes/mode/clike').then((mode) => mode.kotlin)),
  cs: () => legacy(import('@codemirror/legacy-modes/mode/clike').then((mode) => mode.csharp)),
  sql: () => legacy(import('@codemirror/legacy-modes/mode/sql').then((mode) => mode.sqlite)),
}

const alike: Record<string, string> = {
  c: 'cpp',
  h: 'cpp',
  cc: 'cpp',
  cxx: 'cpp',
  hpp: 'cpp',
  mjs: 'js',
  cjs: 'js',
  bash: 'sh',
  pm: 'pl',
}

/** The highlighting for a file of this name; null where there is none. */
export async function languageFor(path: string): Promise<Extension | null> {
  const extension = path.split('.').at(-1)?.toLowerCase() ?? ''
  return (await loaders[alike[extension] ?? extension]?.()) ?? null
}
