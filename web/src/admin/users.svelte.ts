// The users of the service, for administrators: find, give a role, delete.
import { mutate, query } from '../api/client'
import {
  DeleteUserDocument,
  SetUserRoleDocument,
  type SiteRole,
  type UserRowFragment,
  UsersDocument,
} from '../api/generated'
import type { Refusal } from '../api/refusal'

const pageSize = 50

export const roleNames: readonly (readonly [SiteRole, string])[] = [
  ['GUEST', 'Guest'],
  ['USER', 'User'],
  ['TEACHER', 'Teacher'],
  ['ADMIN', 'Administrator'],
]

export class Users {
  rows = $state.raw<UserRowFragment[]>([])
  total = $state(0)
  hasMore = $state(false)
  isLoading = $state(true)
  refusal = $state.raw<Refusal | null>(null)
  #search = ''
  #cursor: string | null = null
  #latest = 0

  async find(search: string): Promise<void> {
    this.#search = search
    this.#cursor = null
    await this.#read([])
  }

  async more(): Promise<void> {
    await this.#read(this.rows)
  }

  async setRole(userId: string, value: string): Promise<void> {
    const role = roleNames.find(([name]) => name === value)?.[0]
    if (!role) return
    const result = await mutate(SetUserRoleDocument, { input: { userId, role } })
    this.refusal = result.kind === 'refused' ? result.refusal : null
    // Also when it was refused: the list shows what holds.
    const shown = result.kind === 'ok' ? result.data.setUserRole.user : null
    this.rows = this.rows.map((row) => (row.id === userId ? { ...(shown ?? row) } : row))
  }

  async remove(userId: string): Promise<void> {
    const result = await mutate(DeleteUserDocument, { input: { userId } })
    this.refusal = result.kind === 'refused' ? result.refusal : null
    if (result.kind === 'refused') return
    this.rows = this.rows.filter((row) => row.id !== userId)
    this.total -= 1
  }

  async #read(before: UserRowFragment[]): Promise<void> {
    const own = ++this.#latest
    this.isLoading = true
    const result = await query(UsersDocument, {
      first: pageSize,
      after: this.#cursor,
      search: this.#search === '' ? null : this.#search,
    })
    if (own !== this.#latest) return
    this.isLoading = false
    this.refusal = result.kind === 'refused' ? result.refusal : null
    if (result.kind === 'refused') return
    const { nodes, pageInfo, totalCount } = result.data.users
    this.rows = [...before, ...nodes]
    this.total = totalCount
    this.hasMore = pageInfo.hasNextPage
    this.#cursor = pageInfo.endCursor
  }
}
