// Places in files that compilers and interpreters name in what they print.

export interface Place {
  path: string
  /** From 1. */
  line: number
  /** From 1; null where only the line is known. */
  column: number | null
}

export interface Problem extends Place {
  severity: 'error' | 'warning'
  message: string
}

// gcc, g++, go, javac, rustc ("--> "), node, php, bash and most others: name:line[:column]
const colon = /(?:^|[\s(]|--> )((?:[^\s:()"']+\/)?[^\s:()"'/]+):(?:line )?(\d+)(?::(\d+))?/gu
// Python: File "name", line n
const python = /File "([^"]+)", line (\d+)/u
// bash: name: line n: …
const shell = /^([^\s:]+): line (\d+):/u

function known(named: string, paths: readonly string[]): string | undefined {
  const bare = named.replace(/^\.\//u, '')
  return paths.find((path) => path === bare) ?? paths.find((path) => bare.endsWith(`/${path}`))
}

/** The first place in a line of output that lies in one of the files. */
export function placeIn(text: string, paths: readonly string[]): Place | null {
  if (text.length > 2_000) return null
  const single = python.exec(text) ?? shell.exec(text)
  const candidates = single ? [single] : [...text.matchAll(colon)]
  for (const [, named = '', line = '', column] of candidates) {
    const path = known(named, paths)
    if (path !== undefined && Number(line) > 0) {
      return { path, line: Number(line), column: column === undefined ? null : Number(column) }
    }
  }
  return null
}

const labelled = /(?:^|\s)(?:fatal )?(error|warning)(?:\[\w+\])?:\s*(.*)$/u

/** What a compiler complains about in the files, in its own words and order. */
export function problemsIn(output: string, paths: readonly string[]): Problem[] {
  const problems: Problem[] = []
  /** rustc says what is wrong in one line and where in the next. */
  let heading: { severity: Problem['severity']; message: string } | null = null
  for (const raw of output.split('\n')) {
    // eslint-disable-next-line no-control-regex -- colours of the compiler are not part of its message
    const text = raw.replace(/\u001b\[[\d;]*[A-Za-z]/gu, '')
    const label = labelled.exec(text)
    const place = placeIn(text, paths)
    const severity = label?.[1] === 'warning' ? 'warning' : 'error'
    if (!place) {
      if (label) heading = { severity, message: label[2] ?? '' }
      continue
    }
    if (/^\s*--> /u.test(text)) {
      if (heading) problems.push({ ...place, ...heading })
      heading = null
    } else if (label) {
      problems.push({ ...place, severity, message: label[2] ?? '' })
    } else {
      const message = goMessage(text)
      if (message !== null) problems.push({ ...place, severity: 'error', message })
    }
  }
  return problems
}

/** `./main.go:3:5: message`: go names no severity. What a compiler notes besides is no problem of its own. */
function goMessage(text: string): string | null {
  return /^\S+:\d+:\d+: (?!note: )(.+)$/u.exec(text)?.[1] ?? null
}

/** Where a run-time error points: the last place that a Python traceback or a stack names in the files. */
export function failureIn(output: string, paths: readonly string[]): Problem | null {
  const lines = output.split('\n').slice(-200)
  const isPython = lines.some((line) => line.startsWith('Traceback') || /^ {2}File "/u.test(line))
  const places = lines.flatMap((line, index) => {
    const place = placeIn(line, paths)
    return place ? [{ ...place, index }] : []
  })
  const place = isPython ? places.at(-1) : places[0]
  if (!place) return null
  const message = isPython
    ? lines.findLast((line) =>
        /^[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit)?\b(?::|$)/u.test(line),
      )
    : lines.find((line) => /^(?:Uncaught )?[A-Z]\w*(?:Error|Exception)\b/u.test(line))
  const { path, line, column } = place
  return { path, line, column, severity: 'error', message: message ?? 'It stopped here.' }
}
