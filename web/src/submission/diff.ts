// A unified diff as rows for the eye.
export interface DiffRow {
  kind: 'same' | 'added' | 'removed' | 'gap'
  /** Line numbers before and after; null where the line does not exist. */
  before: number | null
  after: number | null
  text: string
}

const hunk = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@(.*)$/u

export function rowsOf(unified: string): DiffRow[] {
  const rows: DiffRow[] = []
  let before = 0
  let after = 0
  let isInHunk = false
  for (const line of unified.split('\n')) {
    const head = hunk.exec(line)
    if (head) {
      before = Number(head[1])
      after = Number(head[2])
      isInHunk = true
      if (rows.length > 0) rows.push({ kind: 'gap', before: null, after: null, text: '' })
    } else if (!isInHunk) {
      continue
    } else if (line.startsWith('+')) {
      rows.push({ kind: 'added', before: null, after, text: line.slice(1) })
      after += 1
    } else if (line.startsWith('-')) {
      rows.push({ kind: 'removed', before, after: null, text: line.slice(1) })
      before += 1
    } else if (line.startsWith(' ')) {
      rows.push({ kind: 'same', before, after, text: line.slice(1) })
      before += 1
      after += 1
    }
  }
  return rows
}

/** How many lines of a text do not stand in another one: the size of a change, whatever its order. */
function missing(from: readonly string[], to: readonly string[]): number {
  const left = new Map<string, number>()
  for (const line of from) left.set(line, (left.get(line) ?? 0) + 1)
  let amount = 0
  for (const line of to) {
    const rest = left.get(line) ?? 0
    if (rest === 0) amount += 1
    else left.set(line, rest - 1)
  }
  return amount
}

interface TextFile {
  path: string
  text: string | null
}

/** Lines that came and went between two states of a program. */
export function changeSize(before: readonly TextFile[], after: readonly TextFile[]): number {
  const lines = (files: readonly TextFile[]) =>
    files.flatMap(({ path, text }) => (text ?? '').split('\n').map((line) => `${path}\n${line}`))
  const [old, now] = [lines(before), lines(after)]
  return missing(old, now) + missing(now, old)
}
