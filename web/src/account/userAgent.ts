// What a browser or program calls itself, in words for people.
const browsers = [
  [/\bEdg(?:e|A|iOS)?\//u, 'Edge'],
  [/\bOPR\//u, 'Opera'],
  [/\bSamsungBrowser\//u, 'Samsung Internet'],
  [/\b(?:Firefox|FxiOS)\//u, 'Firefox'],
  [/\b(?:Headless)?(?:Chrome|CriOS)\//u, 'Chrome'],
  [/\bSafari\//u, 'Safari'],
] as const

const systems = [
  [/\b(?:iPhone|iPod)\b/u, 'an iPhone'],
  [/\biPad\b/u, 'an iPad'],
  [/\bAndroid\b/u, 'Android'],
  [/\bWindows\b/u, 'Windows'],
  [/\bCrOS\b/u, 'a Chromebook'],
  [/\bMac OS X\b/u, 'a Mac'],
  [/\bLinux\b/u, 'Linux'],
] as const

/** "Firefox on Windows"; programs that are no browsers keep the name that they give themselves. */
export function programName(userAgent: string | null): string {
  if (userAgent === null || userAgent.trim() === '') return 'An unknown program'
  const browser = browsers.find(([pattern]) => pattern.test(userAgent))?.[1]
  if (browser === undefined) return userAgent
  const system = systems.find(([pattern]) => pattern.test(userAgent))?.[1]
  return system === undefined ? browser : `${browser} on ${system}`
}
