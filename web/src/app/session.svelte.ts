// Who is there, and what this service offers.
import { mutate, query } from '../api/client'
import {
  type CourseHeadFragment,
  type LanguageChoiceFragment,
  type MeFragment,
  RegisterDocument,
  type RegisterInput,
  SignInAsGuestDocument,
  SignInDocument,
  type SignInInput,
  SignOutDocument,
  StartDocument,
  type StartQuery,
  ViewerDocument,
} from '../api/generated'
import { pick } from '../api/loaded.svelte'
import type { Refusal, Result } from '../api/refusal'
import { reconnect } from '../api/follow.svelte'
import { isRecord, recall, remember } from './storage'

type State =
  | { kind: 'loading' }
  | { kind: 'failed'; refusal: Refusal }
  | { kind: 'ready'; me: MeFragment | null; server: StartQuery['server'] }

const emptyRetryMs = 4_000

/** What the top of the page shows of a person and of the service. */
interface Outline {
  role: string | null
  displayName: string
  isOpen: boolean
}

/** As it was last time: the page is drawn with it until the answer comes, so that nothing moves then. */
function lastOutline(): Outline {
  const last = recall('outline', isRecord) ?? {}
  const { role, displayName } = last
  if (typeof role !== 'string' || typeof displayName !== 'string') {
    return { role: null, displayName: '', isOpen: last['isOpen'] !== false }
  }
  return { role, displayName, isOpen: last['isOpen'] !== false }
}

class Session {
  state = $state.raw<State>({ kind: 'loading' })
  languages = $state.raw<LanguageChoiceFragment[]>([])

  readonly outline = $derived.by((): Outline => {
    if (this.state.kind !== 'ready') return this.#last
    const { me, server } = this.state
    return {
      role: me?.role ?? null,
      displayName: me?.displayName ?? '',
      isOpen: server.registration !== 'CLOSED',
    }
  })
  readonly me = $derived(this.state.kind === 'ready' ? this.state.me : null)
  readonly server = $derived(this.state.kind === 'ready' ? this.state.server : null)
  /** Whether a program can be run: signed in, or welcome as a guest. */
  readonly mayRun = $derived(this.me !== null || this.server?.areGuestsAllowed === true)

  readonly #last = lastOutline()

  async start(): Promise<void> {
    const result = await query(StartDocument, {})
    if (result.kind === 'refused') {
      this.state = { kind: 'failed', refusal: result.refusal }
      return
    }
    const { viewer, server, languages } = result.data
    this.languages = languages
    this.state = { kind: 'ready', me: viewer, server }
    remember('outline', this.outline)
    // A service that has just begun gets its first worker in a moment.
    if (languages.length === 0) setTimeout(() => void this.start(), emptyRetryMs)
  }

  async signIn(input: SignInInput): Promise<Result<MeFragment>> {
    return this.#enter(await mutate(SignInDocument, { input }))
  }

  async register(input: RegisterInput): Promise<Result<MeFragment>> {
    return this.#enter(await mutate(RegisterDocument, { input }))
  }

  /** Nobody becomes a guest, where guests are allowed; everybody else stays who they are. */
  async enterAsGuest(): Promise<Result<MeFragment>> {
    if (this.me) return { kind: 'ok', data: this.me }
    return this.#enter(await mutate(SignInAsGuestDocument, {}))
  }

  async signOut(): Promise<Refusal | null> {
    const result = await mutate(SignOutDocument, {})
    if (result.kind === 'refused' && result.refusal.code === 'offline') return result.refusal
    this.update(null)
    reconnect()
    return null
  }

  update(me: MeFragment | null): void {
    if (this.state.kind === 'ready') this.state = { ...this.state, me }
    remember('outline', this.outline)
  }

  /** A course that was joined, made or changed takes its place in the lists. */
  addCourse(course: CourseHeadFragment): void {
    if (!this.me) return
    const others = this.me.courses.filter((other) => other.id !== course.id)
    this.update({ ...this.me, courses: [course, ...others] })
  }

  removeCourse(id: string): void {
    if (!this.me) return
    this.update({ ...this.me, courses: this.me.courses.filter((course) => course.id !== id) })
  }

  /** Who it is, is asked for with the new session. */
  async #enter(entered: Result<unknown>): Promise<Result<MeFragment>> {
    if (entered.kind === 'refused') return entered
    reconnect()
    const result = pick(await query(ViewerDocument, {}), (data) => data.viewer)
    if (result.kind === 'ok') this.update(result.data)
    return result
  }
}

export const session = new Session()
