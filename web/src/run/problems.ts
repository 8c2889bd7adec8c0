// What went wrong, at the lines where it did.
import { failureIn, type Problem, problemsIn } from '../console/places'
import type { Run } from './reduce'

/** More text than this is no error message. */
const longest = 200_000

function printed(run: Run, step: 'COMPILE' | 'RUN'): string {
  let text = ''
  for (const piece of run.pieces) {
    if (piece.step !== step || piece.source === 'INPUT') continue
    if (step === 'RUN' && piece.source !== 'STDERR') continue
    text += piece.text
    if (text.length > longest) break
  }
  return text
}

/** Known once a step has ended; an empty list until then and when all went well. */
export function problemsOf(run: Run, paths: readonly string[]): Problem[] {
  const compile = run.steps.find((step) => step.kind === 'COMPILE')
  const problems = compile ? problemsIn(printed(run, 'COMPILE'), paths) : []
  if (run.verdict !== 'RUNTIME_ERROR') return problems
  const failure = failureIn(printed(run, 'RUN'), paths)
  return failure ? [...problems, failure] : problems
}
