// What the Run page, its toolbar and its keys have in common.
import type { SubmitCodeInput } from '../api/generated'
import { randomKey } from '../ui/browser'
import { splitArguments } from './arguments'
import { liveRun } from './liveRun.svelte'
import { problemsOf } from './problems'
import { workspace } from './workspace.svelte'

class RunPage {
  /** The file names of the run that is shown: they may have changed since. */
  paths = $state.raw<string[]>([])
  /** Grows with every press of Run. */
  presses = $state(0)

  readonly problems = $derived(problemsOf(liveRun.run, this.paths))

  run(): void {
    const language = workspace.language
    if (!language || liveRun.isBusy) return
    workspace.keep()
    this.paths = workspace.files.map((file) => file.path)
    this.presses += 1
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
}

export const runPage = new RunPage()
