// A run as the reader sees it, made of nothing but its events: live, after a reconnect and in a replay.
import type {
  AttemptState,
  LoggedEventFragment,
  OutputStream,
  StepFiguresFragment,
  StepKind,
  Verdict,
} from '../api/generated'

export type RunEvent = LoggedEventFragment

/** Something that was printed or typed, in the order in which it happened. */
export interface Piece {
  source: OutputStream | 'INPUT'
  step: StepKind
  text: string
}

export interface Run {
  /** Of the last event taken; -1 before the first. */
  sequence: number
  /** Behind which a new subscription goes on. */
  cursor: string | null
  state: AttemptState
  /** Null until the run has finished. */
  verdict: Verdict | null
  languageVersion: string | null
  pieces: readonly Piece[]
  /** Grows when what was printed before is void, because the run started over. */
  generation: number
  step: StepKind
  /** Finished steps, in order. */
  steps: readonly StepFiguresFragment[]
  /** Bytes of input that the service has taken. */
  inputBytes: number
  isInputOpen: boolean
  queuedAt: string | null
  /** When the step that runs now began. */
  stepStartedAt: string | null
  finishedAt: string | null
}

export const emptyRun: Run = {
  sequence: -1,
  cursor: null,
  state: 'QUEUED',
  verdict: null,
  languageVersion: null,
  pieces: [],
  generation: 0,
  step: 'RUN',
  steps: [],
  inputBytes: 0,
  isInputOpen: true,
  queuedAt: null,
  stepStartedAt: null,
  finishedAt: null,
}

export const encoder = new TextEncoder()

/** The run started over: what stood before is superseded. */
function startOver(run: Run, at: string): Run {
  return {
    ...emptyRun,
    sequence: run.sequence,
    cursor: run.cursor,
    generation: run.sequence < 0 ? run.generation : run.generation + 1,
    queuedAt: at,
  }
}

function applied(run: Run, event: RunEvent, pieces: Piece[]): Run {
  switch (event.__typename) {
    case 'StateChanged':
      if (event.state === 'QUEUED') {
        pieces.length = 0
        return startOver(run, event.at)
      }
      return { ...run, state: event.state }
    case 'StepStarted':
      return { ...run, step: event.kind, stepStartedAt: event.at }
    case 'OutputChunk':
      pieces.push({ source: event.stream, step: event.kind, text: event.text })
      return run
    case 'InputChunk':
      if (event.text !== '') pieces.push({ source: 'INPUT', step: 'RUN', text: event.text })
      return {
        ...run,
        inputBytes: event.offset + encoder.encode(event.text).length,
        isInputOpen: run.isInputOpen && !event.isEnd,
      }
    case 'StepFinished':
      return { ...run, steps: [...run.steps, event.step] }
    case 'AttemptFinished':
      return {
        ...run,
        state: 'FINISHED',
        verdict: event.attempt.verdict,
        languageVersion: event.attempt.languageVersion,
        isInputOpen: false,
        finishedAt: event.at,
      }
  }
}

/** Takes events in any amount; what was seen before is skipped. */
export function reduceAll(run: Run, events: readonly RunEvent[]): Run {
  let next = run
  const pieces = [...run.pieces]
  for (const event of events) {
    if (event.sequence <= next.sequence) continue
    next = applied({ ...next, pieces }, event, pieces)
    next = { ...next, sequence: event.sequence, cursor: event.cursor }
  }
  return next === run ? run : { ...next, pieces }
}

export function reduce(run: Run, event: RunEvent): Run {
  return reduceAll(run, [event])
}
