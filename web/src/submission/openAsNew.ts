import type { SubmissionDetailFragment } from '../api/generated'
import { router } from '../app/router.svelte'
import { session } from '../app/session.svelte'
import { toasts } from '../app/toasts.svelte'
import { joinArguments } from '../run/arguments'
import { workspace } from '../run/workspace.svelte'

/** Opens the program of a submission on the Run page; the draft that was there is put aside. */
export function openAsNew(submission: SubmissionDetailFragment): void {
  const language = session.languages.find((known) => known.name === submission.language)
  if (!language) return toasts.say('No worker offers this language now.')
  const files = submission.files.flatMap(({ path, text }) =>
    text === null ? [] : [{ path, text }],
  )
  // Somebody else's program is tried out for oneself: it is not handed in anywhere.
  const isOwn = session.me?.id === submission.author.id
  const course = session.me?.courses.find(({ id }) => isOwn && id === submission.course?.id)
  workspace.replace(language, course && !course.isArchived ? course.id : null, {
    files,
    mainPath: submission.mainPath,
    stdin: submission.stdin,
    args: joinArguments(submission.arguments),
  })
  router.go('/')
  if (workspace.aside) {
    toasts.say('Your draft was put aside.', {
      label: 'Bring it back',
      run: () => workspace.bringBack(),
    })
  }
}
