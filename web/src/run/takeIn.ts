import { toasts } from '../app/toasts.svelte'
import { workspace } from './workspace.svelte'

/** Programs are small; more than this would slow down the editor. */
const largestBytes = 1_048_576

/** Adds files of the device to the program. What is replaced can be had back. */
export async function takeIn(files: Iterable<File>): Promise<void> {
  for (const file of files) {
    const { name } = file
    if (file.size > largestBytes) {
      toasts.say(`${name} is too large: a file of a program may have 1 MB.`)
      continue
    }
    const text = await file.text()
    if (/[\0\uFFFD]/u.test(text)) {
      toasts.say(`${name} is not text, and a program is made of text files.`)
      continue
    }
    const before = workspace.files.find(({ path }) => path === name)?.text
    workspace.add(name, text)
    if (before !== undefined && before !== text) {
      toasts.say(`${name} was replaced.`, {
        label: 'Undo',
        run: () => workspace.add(name, before),
      })
    }
  }
}
