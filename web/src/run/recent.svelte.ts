// The last runs of what is being written: the person's own history of this language and course.
import { query } from '../api/client'
import {
  CourseHistoryDocument,
  HistoryDocument,
  type SubmissionRowFragment,
} from '../api/generated'
import type { Refusal } from '../api/refusal'
import { session } from '../app/session.svelte'

const shown = 20

export class Recent {
  rows = $state.raw<SubmissionRowFragment[]>([])
  refusal = $state.raw<Refusal | null>(null)
  isLoading = $state(true)

  async load(language: string, courseId: string | null): Promise<void> {
    const me = session.me
    if (!me) {
      this.isLoading = false
      return
    }
    const result =
      courseId === null
        ? await query(HistoryDocument, { first: shown, filter: { languages: [language] } })
        : await query(CourseHistoryDocument, {
            courseId,
            first: shown,
            filter: { languages: [language], authorIds: [me.id] },
          })
    this.isLoading = false
    this.refusal = result.kind === 'refused' ? result.refusal : null
    if (result.kind === 'refused') return
    const holder = 'course' in result.data ? result.data.course : result.data.viewer
    this.rows = holder?.submissions.nodes ?? []
  }
}
