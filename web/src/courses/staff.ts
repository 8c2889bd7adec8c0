import type { CourseRole } from '../api/generated'

/** Teachers and assistants see everybody's runs. */
export function isStaff(role: CourseRole | null): boolean {
  return role === 'TEACHER' || role === 'ASSISTANT'
}
