// What every editor of the app can do.
import {
  autocompletion,
  closeBrackets,
  closeBracketsKeymap,
  completeAnyWord,
  completionKeymap,
} from '@codemirror/autocomplete'
import { defaultKeymap, history, historyKeymap, indentLess, indentMore } from '@codemirror/commands'
import {
  bracketMatching,
  foldGutter,
  foldKeymap,
  indentOnInput,
  indentUnit,
} from '@codemirror/language'
import { lintKeymap } from '@codemirror/lint'
import { highlightSelectionMatches, searchKeymap } from '@codemirror/search'
import { EditorState, type Extension } from '@codemirror/state'
import {
  drawSelection,
  dropCursor,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  highlightSpecialChars,
  keymap,
  lineNumbers,
  rectangularSelection,
} from '@codemirror/view'

const nonce = document.querySelector('meta[name="csp-nonce"]')?.getAttribute('content') ?? ''

const look = EditorView.theme({
  '&': { height: '100%', fontSize: 'var(--code-size)' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '1.5' },
  '.cm-gutters .cm-lineNumbers .cm-gutterElement': { minWidth: '3ch' },
})

/** What a view needs before anything else: it makes its style sheet when it is created. */
export const allowedStyles: Extension = EditorView.cspNonce.of(nonce)

const common: Extension = [
  allowedStyles,
  look,
  lineNumbers(),
  // Characters that turn around the order of text are shown for what they are.
  highlightSpecialChars(),
  drawSelection(),
  bracketMatching(),
  highlightSelectionMatches(),
  EditorState.allowMultipleSelections.of(true),
]

/**
 * Tab indents, as one expects of an editor; Escape and then Tab leaves it, as one needs by keyboard.
 */
const tabs = keymap.of([{ key: 'Tab', run: indentMore, shift: indentLess }])

export const editing: Extension = [
  common,
  history(),
  foldGutter(),
  highlightActiveLine(),
  highlightActiveLineGutter(),
  dropCursor(),
  rectangularSelection(),
  indentOnInput(),
  indentUnit.of('    '),
  closeBrackets(),
  autocompletion(),
  EditorState.languageData.of(() => [{ autocomplete: completeAnyWord }]),
  keymap.of([
    // These run the program and are not for the editor.
    { key: 'Mod-Enter', run: () => true },
    ...closeBracketsKeymap,
    ...defaultKeymap,
    ...searchKeymap,
    ...historyKeymap,
    ...foldKeymap,
    ...completionKeymap,
    ...lintKeymap,
  ]),
  tabs,
]
