import { describe, expect, it } from 'vitest'
import type { OutcomeFragment } from '../api/generated'
import { failureOf, outcomeOf } from './outcome'

function step(change: Partial<OutcomeFragment>, stdout = '', stderr = ''): OutcomeFragment {
  return {
    kind: 'RUN',
    verdict: 'OK',
    stdout: { beginning: stdout },
    stderr: { beginning: stderr, end: stderr },
    ...change,
  }
}

const traceback =
  'Traceback (most recent call last):\n  File "/work/main.py", line 2, in <module>\n    print(nothing)\nNameError: name \'nothing\' is not defined\n'

describe('what came of a run', () => {
  it('is the first thing that it printed', () => {
    expect(outcomeOf([step({}, '\n  \u001b[32mHello\u001b[0m ada\nmore')], ['main.py'])).toBe(
      '“Hello ada”',
    )
  })

  it('is what it complained about where it printed nothing else', () => {
    expect(outcomeOf([step({}, '\n', 'careful\n')], ['main.py'])).toBe('“careful”')
  })

  it('is nothing where nothing was printed', () => {
    expect(outcomeOf([step({})], ['main.py'])).toBe('')
    expect(outcomeOf([], ['main.py'])).toBe('')
  })

  it('is the line where it failed', () => {
    const steps = [step({ verdict: 'RUNTIME_ERROR' }, 'before\n', traceback)]
    expect(outcomeOf(steps, ['main.py'])).toBe("line 2: NameError: name 'nothing' is not defined")
    expect(outcomeOf(steps, ['main.py', 'util.py'])).toMatch(/^main\.py line 2: /u)
    expect(failureOf(steps, ['other.py'])).toBeNull()
  })

  it('is the first error of the compiler, not a warning before it', () => {
    const said =
      "main.c:1:5: warning: unused variable 'x'\nmain.c:3:12: error: expected ';' before 'return'\n"
    const steps = [step({ kind: 'COMPILE', verdict: 'COMPILE_ERROR' }, '', said)]
    expect(outcomeOf(steps, ['main.c'])).toBe("line 3: expected ';' before 'return'")
  })

  it('shows characters that turn text around for what they are', () => {
    expect(outcomeOf([step({}, 'a\u202eb')], [])).toBe('“a⟨U+202E⟩b”')
  })
})
