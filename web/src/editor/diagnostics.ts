// What a compiler complained about, as marks in the text.
import type { Diagnostic } from '@codemirror/lint'
import type { Text } from '@codemirror/state'
import type { Place, Problem } from '../console/places'

export function positionOf(place: Place, text: Text): number {
  const line = text.line(Math.min(Math.max(1, place.line), text.lines))
  return Math.min(line.to, line.from + Math.max(0, (place.column ?? 1) - 1))
}

/** A mark reaches from the place to the end of the word there, or over the line. */
export function diagnosticsFor(problems: readonly Problem[], text: Text): Diagnostic[] {
  return problems.map((problem) => {
    const line = text.line(Math.min(Math.max(1, problem.line), text.lines))
    const indent = /^\s*/u.exec(line.text)?.[0].length ?? 0
    const at = problem.column === null ? line.from + indent : positionOf(problem, text)
    // What is missing behind the last character is marked at that character.
    const from = at === line.to ? Math.max(line.from, at - 1) : at
    const word = /^\w+/u.exec(line.text.slice(from - line.from))?.[0].length ?? 0
    const to = problem.column === null ? line.to : Math.min(line.to, from + Math.max(1, word))
    return { from, to: Math.max(from, to), severity: problem.severity, message: problem.message }
  })
}
