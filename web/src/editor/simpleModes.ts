// Highlighting by word lists, for languages without a mode of their own: comments, strings, numbers,
// keywords. Indentation follows the line before.
import type { Rule } from '@codemirror/legacy-modes/mode/simple-mode'

interface Mode {
  start: Rule[]
  /** Within a string over several lines. */
  heredoc: Rule[]
  languageData: { commentTokens: { line: string } }
}
export type SimpleName = 'ada' | 'assembly' | 'awk' | 'elixir' | 'prolog'

function words(list: string, flags = 'u'): RegExp {
  return new RegExp(`(?:${list.split(' ').join('|')})(?![\\w'])`, flags)
}

const doubleQuoted = { regex: /"(?:[^"\\]|\\.)*"?/u, token: 'string' }
const number = {
  regex: /0[xbo][\da-f_]+|\d[\d_]*(?:#[\da-f_]+#)?(?:\.\d+)?(?:e[+-]?\d+)?/iu,
  token: 'number',
}
const name = { regex: /[A-Za-z_]\w*/u, token: 'variable' }
const operator = { regex: /[-+*/%=<>!&|^~:]+/u, token: 'operator' }

function mode(comment: string, rules: Rule[], heredoc: Rule[] = []): Mode {
  return {
    start: [
      { regex: new RegExp(`${comment}.*`, 'u'), token: 'comment' },
      ...rules,
      number,
      name,
      operator,
    ],
    heredoc,
    languageData: { commentTokens: { line: comment } },
  }
}

export const simpleModes: Record<SimpleName, Mode> = {
  ada: mode('--', [
    { regex: /"(?:[^"]|"")*"?|'.'/u, token: 'string' },
    {
      regex: words(
        'abort abs accept access all and array at begin body case constant declare delay delta digits do else elsif end entry exception exit for function generic goto if in interface is limited loop mod new not null of or others out overriding package pragma private procedure protected raise range record rem renames return reverse select separate some subtype tagged task terminate then type until use when while with xor',
        'iu',
      ),
      token: 'keyword',
    },
    {
      regex: words('Integer Natural Positive Float Boolean Character String', 'iu'),
      token: 'type',
    },
  ]),
  assembly: mode(';', [
    { regex: /"[^"]*"?|'[^']*'?|`[^`]*`?/u, token: 'string' },
    { regex: /%\w+/u, token: 'meta' },
    { regex: /[\w.$@]+:/u, token: 'def' },
    {
      regex: words(
        'global extern section segment align bits default rel db dw dd dq resb resw resd resq equ times byte word dword qword',
        'iu',
      ),
      token: 'keyword',
    },
    {
      regex: /(?:[re]?(?:[abcd]x|[sb]p|[sd]i|ip)|r\d+[bwd]?|[abcd][hl]|[xyz]mm\d+)(?!\w)/iu,
      token: 'atom',
    },
  ]),
  awk: mode('#', [
    doubleQuoted,
    {
      regex: words(
        'BEGIN END function func if else while for do in break continue next nextfile exit return delete getline print printf switch case default',
      ),
      token: 'keyword',
    },
    {
      regex: words(
        'length substr index split sub gsub gensub match sprintf sin cos atan2 exp log sqrt int rand srand tolower toupper system close fflush systime strftime asort asorti',
      ),
      token: 'builtin',
    },
    {
      regex: /\$\w+|(?:NR|NF|FS|OFS|RS|ORS|FILENAME|FNR|ARGC|ARGV|ENVIRON|SUBSEP)(?!\w)/u,
      token: 'atom',
    },
  ]),
  elixir: mode(
    '#',
    [
      { regex: /"""/u, token: 'string', next: 'heredoc' },
      doubleQuoted,
      { regex: /'(?:[^'\\]|\\.)*'?/u, token: 'string' },
      {
        regex: /~[a-zA-Z](?:\/(?:[^/\\]|\\.)*\/|"(?:[^"\\]|\\.)*"|\([^)]*\)|\[[^\]]*\])\w*/u,
        token: 'string',
      },
      { regex: /:[a-zA-Z_]\w*[?!]?|[a-z_]\w*[?!]?:(?!:)/u, token: 'atom' },
      { regex: /@\w+/u, token: 'meta' },
      {
        regex: words(
          'def defp defmodule defmacro defstruct defprotocol defimpl do end fn case cond if else unless when with for receive after rescue catch try raise import require use alias and or not in true false nil',
        ),
        token: 'keyword',
      },
      { regex: /[A-Z]\w*/u, token: 'type' },
    ],
    [
      { regex: /.*?"""/u, token: 'string', next: 'start' },
      { regex: /.+/u, token: 'string' },
    ],
  ),
  prolog: mode('%', [
    { regex: /"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?/u, token: 'string' },
    { regex: /:-|-->|\?-|\\\+|->/u, token: 'keyword' },
    {
      regex: words(
        'is mod rem not true fail false halt assert asserta assertz retract write writeln print format nl read consult findall bagof setof forall member append length between dynamic initialization use_module module',
      ),
      token: 'builtin',
    },
    { regex: /[A-Z_]\w*/u, token: 'variableName' },
  ]),
}
