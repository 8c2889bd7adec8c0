import { expect, it } from 'vitest'
import { failureIn, placeIn, problemsIn } from './places'

it.each([
  ['main.cpp:3:5: error: expected ‘;’ before ‘}’ token', { path: 'main.cpp', line: 3, column: 5 }],
  ['  File "/box/main.py", line 7, in <module>', { path: 'main.py', line: 7, column: null }],
  [' --> src/main.rs:2:9', { path: 'src/main.rs', line: 2, column: 9 }],
  ['./main.go:4:2: undefined: x', { path: 'main.go', line: 4, column: 2 }],
  ['    at Object.<anonymous> (/work/main.js:3:9)', { path: 'main.js', line: 3, column: 9 }],
  ['main.sh: line 2: nope: command not found', { path: 'main.sh', line: 2, column: null }],
  ['at 12:30:15 nothing', null],
  ['other.py:3: error: x', null],
])('%s', (text, place) => {
  const paths = ['main.cpp', 'main.py', 'src/main.rs', 'main.go', 'main.js', 'main.sh']
  expect(placeIn(text, paths)).toEqual(place)
})

it('reads what gcc says', () => {
  const output = [
    'main.c: In function ‘main’:',
    'main.c:2:3: warning: unused variable ‘x’ [-Wunused-variable]',
    '    2 |   int x',
    'main.c:2:3: note: each undeclared identifier is reported only once',
    '\u001b[1mmain.c:3:1:\u001b[0m \u001b[31merror:\u001b[0m expected ‘;’',
  ].join('\n')
  expect(problemsIn(output, ['main.c'])).toEqual([
    {
      path: 'main.c',
      line: 2,
      column: 3,
      severity: 'warning',
      message: 'unused variable ‘x’ [-Wunused-variable]',
    },
    { path: 'main.c', line: 3, column: 1, severity: 'error', message: 'expected ‘;’' },
  ])
})

it('reads what rustc, go and javac say', () => {
  const rust = 'error[E0425]: cannot find value `x`\n --> main.rs:2:13\n  |\n2 |     print(x)\n'
  expect(problemsIn(rust, ['main.rs'])).toEqual([
    { path: 'main.rs', line: 2, column: 13, severity: 'error', message: 'cannot find value `x`' },
  ])
  expect(problemsIn('# work\n./main.go:4:2: undefined: x\n', ['main.go'])[0]?.message).toBe(
    'undefined: x',
  )
  expect(problemsIn("Main.java:3: error: ';' expected\n", ['Main.java'])[0]).toMatchObject({
    line: 3,
    column: null,
  })
})

it('finds where a program failed', () => {
  const traceback = [
    'Traceback (most recent call last):',
    '  File "main.py", line 5, in <module>',
    '    go()',
    '  File "/usr/lib/python3.11/random.py", line 9, in go',
    '  File "util.py", line 2, in go',
    "NameError: name 'x' is not defined",
  ].join('\n')
  expect(failureIn(traceback, ['main.py', 'util.py'])).toMatchObject({
    path: 'util.py',
    line: 2,
    message: "NameError: name 'x' is not defined",
  })
  const node = 'main.js:2\nfoo()\n^\n\nReferenceError: foo is not defined\n    at main.js:2:1\n'
  expect(failureIn(node, ['main.js'])).toMatchObject({
    line: 2,
    message: 'ReferenceError: foo is not defined',
  })
  expect(failureIn('all is well', ['main.py'])).toBeNull()
})
