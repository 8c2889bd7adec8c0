// Source text as lines of coloured pieces, for listings that are read and not written.
import { type Language, LanguageSupport, StreamLanguage } from '@codemirror/language'
import { highlightCode, tagHighlighter, tags } from '@lezer/highlight'
import { languageFor } from './languages'

export interface Token {
  text: string
  /** A class of styles/tokens.css; empty for ordinary text. */
  kind: string
}

/** Colours for more text than this would be waited for. */
const longest = 200_000

const kinds = tagHighlighter([
  { tag: [tags.keyword, tags.modifier, tags.self], class: 'tok-keyword' },
  {
    tag: [tags.string, tags.character, tags.regexp, tags.special(tags.string)],
    class: 'tok-string',
  },
  { tag: [tags.number, tags.bool, tags.null, tags.atom, tags.escape], class: 'tok-number' },
  { tag: tags.comment, class: 'tok-comment' },
  {
    tag: [
      tags.function(tags.variableName),
      tags.function(tags.definition(tags.variableName)),
      tags.macroName,
    ],
    class: 'tok-name',
  },
  { tag: [tags.typeName, tags.className, tags.namespace, tags.meta], class: 'tok-type' },
])

function languageOf(extension: unknown): Language | null {
  if (extension instanceof LanguageSupport) return extension.language
  return extension instanceof StreamLanguage ? extension : null
}

export function plainLines(text: string): Token[][] {
  return text.split('\n').map((line) => [{ text: line, kind: '' }])
}

export async function highlightedLines(path: string, text: string): Promise<Token[][]> {
  const language = text.length > longest ? null : languageOf(await languageFor(path))
  if (!language) return plainLines(text)
  const lines: Token[][] = [[]]
  highlightCode(
    text,
    language.parser.parse(text),
    kinds,
    (piece, kind) => lines.at(-1)?.push({ text: piece, kind }),
    () => lines.push([]),
  )
  return lines
}
