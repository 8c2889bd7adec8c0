import type { SubmissionRowFragment } from '../api/generated'

const preamble = /^(?:#include|import |from |using |package |\/\/|#!)/u
const longest = 200

/** The line by which one knows a program again: its first one that says something. */
export function firstLine(row: Pick<SubmissionRowFragment, 'files' | 'mainPath'>): string {
  const main = row.files.find((file) => file.path === row.mainPath) ?? row.files[0]
  const lines = (main?.text ?? '').slice(0, 4_000).split('\n')
  const found = lines
    .map((line) => line.trim())
    .find((line) => /\w/u.test(line) && !preamble.test(line))
  return (found ?? row.mainPath).slice(0, longest)
}
