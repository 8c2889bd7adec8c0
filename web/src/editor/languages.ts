// Highlighting for the languages on offer; each comes only when it is needed.
import type { Extension } from '@codemirror/state'
import type { StreamParser } from '@codemirror/language'
import type { SimpleName } from './simpleModes'

async function legacy(parser: Promise<StreamParser<unknown>>): Promise<Extension> {
  const [{ StreamLanguage }, spec] = await Promise.all([import('@codemirror/language'), parser])
  return StreamLanguage.define(spec)
}

/** Those for which nobody else has written a mode. */
async function simple(name: SimpleName): Promise<Extension> {
  const [{ simpleMode }, { simpleModes }] = await Promise.all([
    import('@codemirror/legacy-modes/mode/simple-mode'),
    import('./simpleModes'),
  ])
  return legacy(Promise.resolve(simpleMode(simpleModes[name])))
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
  d: () => legacy(import('@codemirror/legacy-modes/mode/d').then((mode) => mode.d)),
  erl: () => legacy(import('@codemirror/legacy-modes/mode/erlang').then((mode) => mode.erlang)),
  f90: () => legacy(import('@codemirror/legacy-modes/mode/fortran').then((mode) => mode.fortran)),
  lisp: () =>
    legacy(import('@codemirror/legacy-modes/mode/commonlisp').then((mode) => mode.commonLisp)),
  m: () => legacy(import('@codemirror/legacy-modes/mode/octave').then((mode) => mode.octave)),
  ml: () => legacy(import('@codemirror/legacy-modes/mode/mllike').then((mode) => mode.oCaml)),
  pas: () => legacy(import('@codemirror/legacy-modes/mode/pascal').then((mode) => mode.pascal)),
  r: () => legacy(import('@codemirror/legacy-modes/mode/r').then((mode) => mode.r)),
  scm: () => legacy(import('@codemirror/legacy-modes/mode/scheme').then((mode) => mode.scheme)),
  tcl: () => legacy(import('@codemirror/legacy-modes/mode/tcl').then((mode) => mode.tcl)),
  adb: () => simple('ada'),
  asm: () => simple('assembly'),
  awk: () => simple('awk'),
  exs: () => simple('elixir'),
  pro: () => simple('prolog'),
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
  mts: 'ts',
  ads: 'adb',
  cl: 'lisp',
  ex: 'exs',
  f03: 'f90',
  f08: 'f90',
  f95: 'f90',
  mli: 'ml',
  pp: 'pas',
  prolog: 'pro',
}

/** The highlighting for a file of this name; null where there is none. */
export async function languageFor(path: string): Promise<Extension | null> {
  const extension = path.split('.').at(-1)?.toLowerCase() ?? ''
  return (await loaders[alike[extension] ?? extension]?.()) ?? null
}
