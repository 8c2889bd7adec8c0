import type { PersonFragment } from '../api/generated'
import { settings } from '../app/settings.svelte'
import { pseudonym } from './pseudonym'

/** What a person is called on this screen. */
export function nameOf(user: PersonFragment): string {
  return settings.areNamesHidden ? pseudonym(user.id) : user.displayName
}
