/** Where to go after signing in: an address of this app and no other. */
export function nextAddress(next: string | null): string {
  return next !== null && /^\/(?![/\\])/u.test(next) ? next : '/'
}
