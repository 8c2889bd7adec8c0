// What was being written, per language and course, so that no reload, sign-in or error loses it.
import { forget, isRecord, namesUnder, recall, remember } from '../app/storage'

export interface DraftFile {
  path: string
  text: string
}

export interface Draft {
  files: DraftFile[]
  mainPath: string
  stdin: string
  args: string
}

/** Before anybody has signed in. */
export const nobody = 'nobody'

function isFile(value: unknown): value is DraftFile {
  return isRecord(value) && typeof value['path'] === 'string' && typeof value['text'] === 'string'
}

function isDraft(value: unknown): value is Draft {
  return (
    isRecord(value) &&
    Array.isArray(value['files']) &&
    value['files'].length > 0 &&
    value['files'].every(isFile) &&
    typeof value['mainPath'] === 'string' &&
    typeof value['stdin'] === 'string' &&
    typeof value['args'] === 'string'
  )
}

export interface DraftKey {
  owner: string
  courseId: string | null
  language: string
}

function nameOf({ owner, courseId, language }: DraftKey): string {
  return `draft:${owner}:${courseId ?? ''}:${language}`
}

export function findDraft(key: DraftKey): Draft | null {
  return recall(nameOf(key), isDraft)
}

export function keepDraft(key: DraftKey, draft: Draft): boolean {
  return remember(nameOf(key), draft)
}

/** The draft that had to make room for another one, until it is called back. */
export function findAside(key: DraftKey): Draft | null {
  return recall(`aside:${nameOf(key)}`, isDraft)
}

export function putAside(key: DraftKey, draft: Draft): void {
  remember(`aside:${nameOf(key)}`, draft)
}

/** Signing in takes along what was written before; what the person already had is put aside. */
export function adoptDrafts(from: string, owner: string): void {
  for (const name of namesUnder(`draft:${from}:`)) {
    const target = `draft:${owner}:${name.slice(`draft:${from}:`.length)}`
    const draft = recall(name, isDraft)
    const before = recall(target, isDraft)
    if (!draft) continue
    if (before) remember(`aside:${target}`, before)
    if (remember(target, draft)) forget(name)
  }
}
