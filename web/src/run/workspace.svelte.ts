// The program that is being written: its files, its input, and where it will be handed in.
import type { LanguageChoiceFragment } from '../api/generated'
import { isRecord, recall, remember } from '../app/storage'
import {
  adoptDrafts,
  type Draft,
  type DraftFile,
  type DraftKey,
  findAside,
  findDraft,
  keepDraft,
  nobody,
  putAside,
} from './drafts'

export interface OpenFile extends DraftFile {
  /** Stays when the file is renamed; another one when its text is replaced from outside. */
  id: number
}

/** Why a name cannot be given to a file; null where it can. */
export function nameProblem(path: string, others: readonly string[]): string | null {
  if (path.trim() === '') return 'A file needs a name.'
  if (
    path.startsWith('/') ||
    path.split('/').some((part) => part === '..' || part === '.' || part === '')
  ) {
    return 'Use a plain name, such as “util.py” or “data/words.txt”.'
  }
  if (new TextEncoder().encode(path).length > 255) return 'That name is too long.'
  return others.includes(path) ? 'There is a file of that name already.' : null
}

function isSame(one: Draft, other: Draft): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}

class Workspace {
  language = $state.raw<LanguageChoiceFragment | null>(null)
  courseId = $state<string | null>(null)
  files = $state<OpenFile[]>([])
  activeId = $state(0)
  mainPath = $state('')
  stdin = $state('')
  args = $state('')
  /** The browser refused to store the draft: the page says so. */
  isUnsaved = $state(false)
  /** The draft that made room for the one shown. */
  aside = $state.raw<Draft | null>(null)

  readonly active = $derived(this.files.find((file) => file.id === this.activeId) ?? this.files[0])

  #owner = nobody
  #nextId = 1

  /** Opens what was open last time. To be called once the languages and the person are known. */
  open(languages: readonly LanguageChoiceFragment[], owner: string | null): void {
    if (owner !== null && owner !== this.#owner) {
      this.keep()
      adoptDrafts(nobody, owner)
    }
    this.#owner = owner ?? nobody
    const last = recall('workspace', isRecord) ?? {}
    const chosen = languages.find((language) => language.name === last['language'])
    this.courseId = typeof last['courseId'] === 'string' ? last['courseId'] : null
    this.choose(
      chosen ?? languages.find((language) => language.name === 'python3') ?? languages[0] ?? null,
    )
  }

  /** Somebody signed out: their drafts stay theirs. */
  leave(): void {
    this.keep()
    this.#owner = nobody
    this.courseId = null
    this.choose(this.language)
  }

  choose(language: LanguageChoiceFragment | null): void {
    this.language = language
    const key = this.#key()
    if (language && key) this.#show(findDraft(key) ?? this.#fresh(language))
  }

  chooseCourse(courseId: string | null): void {
    this.keep()
    this.courseId = courseId
    this.choose(this.language)
  }

  /** Puts a program in the place of the draft, which is put aside. */
  replace(language: LanguageChoiceFragment, courseId: string | null, draft: Draft): void {
    this.keep()
    this.courseId = courseId
    this.language = language
    this.#exchange(draft)
  }

  startOver(): void {
    if (this.language) this.#exchange(this.#fresh(this.language))
  }

  /** Exchanges the draft and the one put aside. */
  bringBack(): void {
    if (this.aside) this.#exchange(this.aside)
  }

  edit(id: number, text: string): void {
    const file = this.files.find((candidate) => candidate.id === id)
    if (file) file.text = text
  }

  /** The file takes part under its name; one that is there already is replaced. */
  add(path: string, text: string): void {
    const id = this.#nextId++
    this.files = [...this.files.filter((file) => file.path !== path), { id, path, text }]
    this.activeId = id
  }

  rename(id: number, path: string): void {
    const file = this.files.find((candidate) => candidate.id === id)
    if (!file) return
    if (this.mainPath === file.path) this.mainPath = path
    file.path = path
  }

  /** The last file stays. Answers with what puts it back. */
  remove(id: number): (() => void) | null {
    const index = this.files.findIndex((file) => file.id === id)
    const file = this.files[index]
    if (!file || this.files.length === 1) return null
    const { mainPath } = this
    this.files = this.files.filter((candidate) => candidate.id !== id)
    const neighbour = this.files[Math.max(0, index - 1)]
    if (neighbour && this.activeId === id) this.activeId = neighbour.id
    if (neighbour && mainPath === file.path) this.mainPath = neighbour.path
    return () => {
      this.files = [...this.files.slice(0, index), file, ...this.files.slice(index)]
      this.activeId = id
      this.mainPath = mainPath
    }
  }

  draft(): Draft {
    const { mainPath, stdin, args } = this
    return { files: this.files.map(({ path, text }) => ({ path, text })), mainPath, stdin, args }
  }

  /** Stores the draft, once it is more than the template. */
  keep(): void {
    const key = this.#key()
    if (!key || !this.language || this.files.length === 0) return
    remember('workspace', { language: key.language, courseId: key.courseId })
    const draft = this.draft()
    const isStored = findDraft(key) !== null
    if (!isStored && isSame(draft, this.#fresh(this.language))) return
    this.isUnsaved = !keepDraft(key, draft)
  }

  #key(): DraftKey | null {
    if (!this.language) return null
    return { owner: this.#owner, courseId: this.courseId, language: this.language.name }
  }

  #exchange(draft: Draft): void {
    const key = this.#key()
    const before = key && findDraft(key)
    if (key && before && !isSame(before, draft)) putAside(key, before)
    this.#show(draft)
    if (key) this.isUnsaved = !keepDraft(key, draft)
  }

  #fresh(language: LanguageChoiceFragment): Draft {
    const path = `main${language.fileExtensions[0] ?? '.txt'}`
    return { files: [{ path, text: language.template }], mainPath: path, stdin: '', args: '' }
  }

  #show(draft: Draft): void {
    this.files = draft.files.map((file) => ({ ...file, id: this.#nextId++ }))
    this.mainPath = draft.mainPath
    this.stdin = draft.stdin
    this.args = draft.args
    const main = this.files.find((file) => file.path === draft.mainPath) ?? this.files[0]
    this.activeId = main?.id ?? 0
    const key = this.#key()
    this.aside = key && findAside(key)
  }
}

export const workspace = new Workspace()
