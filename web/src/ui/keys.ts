/** Whether a key was pressed on its own, and not into something that takes text. */
export function isOwnKey(event: KeyboardEvent, key: string): boolean {
  if (event.defaultPrevented || event.key !== key) return false
  if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return false
  const { target } = event
  return !(
    target instanceof Element && target.closest('input, textarea, select, dialog, .cm-editor')
  )
}
