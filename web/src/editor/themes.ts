// The colours of the editor: the app's own, and those that people bring along from elsewhere.
import { HighlightStyle, syntaxHighlighting } from '@codemirror/language'
import type { Extension } from '@codemirror/state'
import { EditorView } from '@codemirror/view'
import { tags } from '@lezer/highlight'
import type { EditorTheme } from '../app/settings.svelte'
import { appDark, appLight, chosen, contrast, type Palette } from './palettes'

function extension(palette: Palette): Extension {
  const { background, ink, faint, selection, line } = palette
  const view = EditorView.theme(
    {
      '&': { backgroundColor: background, color: ink },
      '.cm-content': { caretColor: ink },
      '.cm-cursor, .cm-dropCursor': { borderLeftColor: ink },
      '.cm-gutters': { backgroundColor: background, color: faint, border: 'none' },
      '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: line },
      '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground':
        { backgroundColor: selection },
      '.cm-selectionMatch': { backgroundColor: selection },
      '&.cm-focused .cm-matchingBracket': {
        backgroundColor: selection,
        outline: `1px solid ${faint}`,
      },
    },
    { dark: palette.isDark },
  )
  const style = HighlightStyle.define([
    { tag: [tags.keyword, tags.modifier, tags.self], color: palette.keyword },
    {
      tag: [tags.string, tags.character, tags.regexp, tags.special(tags.string)],
      color: palette.string,
    },
    { tag: [tags.number, tags.bool, tags.null, tags.atom, tags.escape], color: palette.number },
    { tag: tags.comment, color: palette.comment, fontStyle: 'italic' },
    {
      tag: [
        tags.function(tags.variableName),
        tags.function(tags.definition(tags.variableName)),
        tags.macroName,
      ],
      color: palette.name,
    },
    { tag: [tags.typeName, tags.className, tags.namespace, tags.meta], color: palette.type },
    { tag: [tags.operator, tags.punctuation], color: palette.operator },
  ])
  return [view, syntaxHighlighting(style)]
}

export function themeFor(theme: EditorTheme, shown: 'light' | 'dark' | 'contrast'): Extension {
  if (theme !== 'app') return extension(chosen[theme])
  if (shown === 'contrast') return extension(contrast)
  return extension(shown === 'dark' ? appDark : appLight)
}
