// What the Run page, its toolbar and its keys have in common.
import type { SubmissionRowFragment, SubmitCodeInput } from '../api/generated'
import { toasts } from '../app/toasts.svelte'
import { randomKey } from '../ui/browser'
import { splitArguments } from './arguments'
import { liveRun } from './liveRun.svelte'
import { problemsOf } from './problems'
import { workspace } from './workspace.svelte'

class RunPage {
  /** The file names of the run that is shown: they may have changed since. */
  paths = $state.raw<string[]>([])
  /** On a phone the output is a sheet over the lower part of the editor. */
  isSheetOpen = $state(false)

  readonly problems = $derived(problemsOf(liveRun.run, this.paths))

  run(): void {
    const language = workspace.language
    if (!language || liveRun.isBusy) return
    workspace.keep()
    this.paths = workspace.files.map((file) => file.path)
    this.isSheetOpen = true
    const { stdin, courseId } = workspace
    const input: SubmitCodeInput = {
      language: language.name,
      files: workspace.files.map(({ path, text }) => ({ path, text })),
      mainPath: workspace.mainPath,
      arguments: splitArguments(workspace.args),
      courseId,
      // The same press, sent twice by a shaky network, is one submission.
      idempotencyKey: randomKey(),
    }
    // Prepared input is all there is; without any the program is talked to while it runs.
    void liveRun.start(stdin === '' ? { ...input, isInteractive: true } : { ...input, stdin })
  }

  /** Shows what an earlier run did. The editor has gone on since: nothing is marked there. */
  review(row: SubmissionRowFragment): void {
    if (liveRun.isBusy) return
    this.paths = []
    liveRun.review(row)
  }

  /** Puts the program of an earlier run into the editor; what was there can be had back. */
  bringBack(row: SubmissionRowFragment): void {
    const language = workspace.language
    const files = row.files.flatMap(({ path, text }) => (text === null ? [] : [{ path, text }]))
    if (!language || files.length === 0) return
    const before = workspace.draft()
    const { stdin, args } = workspace
    const courseId = workspace.courseId
    workspace.replace(language, courseId, { files, mainPath: row.mainPath, stdin, args })
    toasts.say('The program of that run is in the editor.', {
      label: 'Undo',
      run: () => workspace.replace(language, courseId, before),
    })
  }
}

export const runPage = new RunPage()
