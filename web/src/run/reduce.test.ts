import { describe, expect, it } from 'vitest'
import { emptyRun, reduce, reduceAll, type RunEvent } from './reduce'

const figures = {
  kind: 'RUN',
  verdict: 'OK',
  exitCode: 0,
  signal: null,
  cpuTimeMs: 12,
  wallTimeMs: 20,
  peakMemoryBytes: 9_000_000,
  reason: null,
  isCached: false,
  limits: {
    cpuTimeMs: 2000,
    wallTimeMs: 10_000,
    memoryBytes: 268_435_456,
    outputBytes: 1_048_576,
    processes: 32,
    diskBytes: 16_777_216,
  },
} as const

function head(sequence: number) {
  return { sequence, cursor: `c${sequence}`, at: `2026-03-02T10:00:0${sequence % 10}.000Z` }
}

function printed(sequence: number, text: string): RunEvent {
  return {
    __typename: 'OutputChunk',
    ...head(sequence),
    kind: 'RUN',
    stream: 'STDOUT',
    offset: 0,
    text,
  }
}

const story: RunEvent[] = [
  { __typename: 'StateChanged', ...head(0), state: 'QUEUED' },
  { __typename: 'StateChanged', ...head(1), state: 'RUNNING' },
  { __typename: 'StepStarted', ...head(2), kind: 'RUN' },
  printed(3, 'Name? '),
  { __typename: 'InputChunk', ...head(4), offset: 0, text: 'ädа\n', isEnd: false },
  printed(5, 'Hello\n'),
  { __typename: 'StepFinished', ...head(6), step: figures },
  {
    __typename: 'AttemptFinished',
    ...head(7),
    attempt: { id: 'att_1', verdict: 'OK', languageVersion: 'Python 3' },
  },
]

describe('reduce', () => {
  it('tells the whole story of a run', () => {
    const run = reduceAll(emptyRun, story)
    expect(run.state).toBe('FINISHED')
    expect(run.verdict).toBe('OK')
    expect(run.cursor).toBe('c7')
    expect(run.steps).toEqual([figures])
    expect(run.pieces.map((piece) => [piece.source, piece.text])).toEqual([
      ['STDOUT', 'Name? '],
      ['INPUT', 'ädа\n'],
      ['STDOUT', 'Hello\n'],
    ])
  })

  it('is the same one by one, at once, and with repeats', () => {
    const atOnce = reduceAll(emptyRun, story)
    expect(story.reduce(reduce, emptyRun)).toEqual(atOnce)
    expect(reduceAll(reduceAll(emptyRun, story.slice(0, 5)), story)).toEqual(atOnce)
  })

  it('counts input in bytes and closes it at its end', () => {
    const run = reduceAll(emptyRun, story.slice(0, 5))
    expect(run.inputBytes).toBe(6)
    expect(run.isInputOpen).toBe(true)
    const ended = reduce(run, {
      __typename: 'InputChunk',
      ...head(5),
      offset: 6,
      text: '',
      isEnd: true,
    })
    expect(ended.isInputOpen).toBe(false)
    expect(ended.pieces).toHaveLength(run.pieces.length)
  })

  it('forgets what a lost worker printed when the run starts over', () => {
    const before = reduceAll(emptyRun, story.slice(0, 6))
    const after = reduceAll(before, [
      { __typename: 'StateChanged', ...head(6), state: 'QUEUED' },
      { __typename: 'StateChanged', ...head(7), state: 'RUNNING' },
      printed(8, 'again'),
    ])
    expect(after.pieces.map((piece) => piece.text)).toEqual(['again'])
    expect(after.generation).toBe(before.generation + 1)
    expect(after.inputBytes).toBe(0)
  })

  it('leaves the run that it was given as it was', () => {
    const before = reduceAll(emptyRun, story.slice(0, 4))
    const copy = structuredClone(before)
    reduceAll(before, story)
    expect(before).toEqual(copy)
  })

  it('takes a hundred thousand pieces in a moment', () => {
    const events = Array.from({ length: 100_000 }, (_, index) => printed(index, 'x'))
    expect(reduceAll(emptyRun, events).pieces).toHaveLength(100_000)
  })
})
