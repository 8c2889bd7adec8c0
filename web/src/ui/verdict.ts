// Verdicts in the words of the app: a symbol, a word and a sentence that helps.
import type { AttemptState, StepFiguresFragment, Verdict } from '../api/generated'
import { duration, roundDuration, size } from './words'

export type Tone = 'ok' | 'bad' | 'warn' | 'note' | 'soft'

export interface VerdictWords {
  symbol: string
  word: string
  tone: Tone
}

const verdicts: Record<Verdict, VerdictWords> = {
  OK: { symbol: '✓', word: 'Finished', tone: 'ok' },
  RUNTIME_ERROR: { symbol: '!', word: 'Error in your program', tone: 'bad' },
  COMPILE_ERROR: { symbol: '✕', word: 'Did not compile', tone: 'bad' },
  CPU_TIME_LIMIT: { symbol: '◷', word: 'Too long', tone: 'warn' },
  WALL_TIME_LIMIT: { symbol: '◷', word: 'Too long waiting', tone: 'warn' },
  MEMORY_LIMIT: { symbol: '▣', word: 'Too much memory', tone: 'warn' },
  OUTPUT_LIMIT: { symbol: '≡', word: 'Too much output', tone: 'warn' },
  CANCELLED: { symbol: '■', word: 'Stopped by you', tone: 'soft' },
  SYSTEM_ERROR: { symbol: '⚙', word: 'Our fault', tone: 'note' },
}

export const verdictOrder: Verdict[] = [
  'OK',
  'RUNTIME_ERROR',
  'COMPILE_ERROR',
  'CPU_TIME_LIMIT',
  'WALL_TIME_LIMIT',
  'MEMORY_LIMIT',
  'OUTPUT_LIMIT',
  'CANCELLED',
  'SYSTEM_ERROR',
]

const states: Record<Exclude<AttemptState, 'FINISHED'>, VerdictWords> = {
  QUEUED: { symbol: '…', word: 'Waiting', tone: 'soft' },
  COMPILING: { symbol: '◔', word: 'Compiling', tone: 'soft' },
  RUNNING: { symbol: '▶', word: 'Running', tone: 'soft' },
}

/** For whoever reads of somebody else's program. */
const ofOthers: Partial<Record<Verdict, string>> = {
  RUNTIME_ERROR: 'Error in the program',
  CANCELLED: 'Stopped by hand',
}

export function wordsOf(verdict: Verdict, isOwn: boolean): VerdictWords {
  const words = verdicts[verdict]
  return isOwn ? words : { ...words, word: ofOthers[verdict] ?? words.word }
}

/** Where an attempt stands, in one symbol and word. */
export function standing(
  state: AttemptState,
  verdict: Verdict | null,
  isOwn: boolean,
): VerdictWords {
  return state === 'FINISHED' ? wordsOf(verdict ?? 'SYSTEM_ERROR', isOwn) : states[state]
}

const signals: Record<string, string> = {
  SEGV: 'It touched memory that is not its own: often an index or a pointer gone astray.',
  ABRT: 'It gave up by itself (abort): often a failed check or an exception that nobody caught.',
  FPE: 'It calculated something impossible, such as a division by zero.',
  ILL: 'It ran into an instruction that does not exist.',
  BUS: 'It touched memory in a way that is not possible.',
}

function runtimeError(step: StepFiguresFragment): string {
  if (step.signal !== null) {
    return signals[step.signal] ?? `It was ended by the signal ${step.signal}.`
  }
  return `It ended with exit code ${step.exitCode ?? 'unknown'}. What it says about it is in the output.`
}

/** What happened and where to look, for somebody who sees it for the first time. */
export function explanation(verdict: Verdict, step: StepFiguresFragment | undefined): string {
  switch (verdict) {
    case 'OK':
      return ''
    case 'COMPILE_ERROR':
      return 'The compiler could not make sense of it. Begin with its first message.'
    case 'RUNTIME_ERROR':
      return step ? runtimeError(step) : ''
    case 'CPU_TIME_LIMIT': {
      const limit = step ? ` after ${roundDuration(step.limits.cpuTimeMs)} of computing` : ''
      return `Stopped${limit}: is there a loop that never ends?`
    }
    case 'WALL_TIME_LIMIT': {
      const limit = step ? ` after ${roundDuration(step.limits.wallTimeMs)}` : ''
      return `Stopped${limit}: does it wait for something, or do too much?`
    }
    case 'MEMORY_LIMIT': {
      const limit = step ? ` at ${size(step.limits.memoryBytes)}` : ''
      return `Stopped${limit} of memory: does something grow without end?`
    }
    case 'OUTPUT_LIMIT':
      return 'Stopped because it printed far too much: is there a print in a loop that never ends?'
    case 'CANCELLED':
      return 'It was stopped before it had finished.'
    case 'SYSTEM_ERROR':
      return 'Something broke on our side; your program is not to blame. Run it again.'
  }
}

/** "2.00 s computing of 2 s allowed · 2.10 s in all · 11 MB of 256 MB". */
export function figures(step: StepFiguresFragment): string {
  const parts: string[] = []
  if (step.cpuTimeMs !== null) {
    parts.push(
      `${duration(step.cpuTimeMs)} computing of ${roundDuration(step.limits.cpuTimeMs)} allowed`,
    )
  }
  if (step.wallTimeMs !== null) parts.push(`${duration(step.wallTimeMs)} in all`)
  if (step.peakMemoryBytes !== null) {
    parts.push(`${size(step.peakMemoryBytes)} of ${size(step.limits.memoryBytes)}`)
  }
  return parts.join(' · ')
}

/** The technical end, for those who look for it. */
export function ending(step: StepFiguresFragment): string {
  // With spaces that do not break: no line begins with the number.
  if (step.signal !== null) return `signal\u00a0${step.signal}`
  return step.exitCode === null ? '' : `exit\u00a0code\u00a0${step.exitCode}`
}
