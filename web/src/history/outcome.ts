// What came of a run, in one line: where it failed, or the first thing that it printed.
import type { OutcomeFragment } from '../api/generated'
import { failureIn, type Problem, problemsIn } from '../console/places'
import { Screen, textOf } from '../console/screen'

const longest = 200

/** The first line with something in it, as the console shows it. */
function firstLine(text: string): string {
  const screen = new Screen()
  screen.feed({ source: 'STDOUT', text })
  return (screen.lines.map(textOf).find((line) => line.trim() !== '') ?? '')
    .trim()
    .slice(0, longest)
}

/** Where a run failed in one of its files; null where it did not, or nobody knows. */
export function failureOf(
  steps: readonly OutcomeFragment[],
  paths: readonly string[],
): Problem | null {
  const step = steps.at(-1)
  if (step?.kind === 'COMPILE') {
    const said = `${step.stderr.beginning}\n${step.stdout.beginning}`
    return problemsIn(said, paths).find(({ severity }) => severity === 'error') ?? null
  }
  return step?.verdict === 'RUNTIME_ERROR' ? failureIn(step.stderr.end, paths) : null
}

/** `line 2: NameError: …`, or `“Hello Ada”`; empty where there is nothing to say. */
export function outcomeOf(steps: readonly OutcomeFragment[], paths: readonly string[]): string {
  const failure = failureOf(steps, paths)
  if (failure) {
    const where = paths.length > 1 ? `${failure.path} line` : 'line'
    return `${where} ${failure.line}: ${firstLine(failure.message)}`
  }
  const step = steps.at(-1)
  const line = firstLine(step?.stdout.beginning ?? '') || firstLine(step?.stderr.beginning ?? '')
  return line === '' ? '' : `“${line}”`
}
