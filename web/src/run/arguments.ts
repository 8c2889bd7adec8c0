// Command-line arguments as one types them: words, with quotes around those that hold spaces.

/** `a "b c" 'd'` → `['a', 'b c', 'd']`. A quote that never closes reaches to the end. */
export function splitArguments(text: string): string[] {
  const words: string[] = []
  const word = /\s*((?:"(?:\\.|[^"\\])*"?|'[^']*'?|\\.|[^\s"'\\])+)/gsu
  for (const [, raw = ''] of text.matchAll(word)) {
    words.push(
      raw.replace(/"((?:\\.|[^"\\])*)"?|'([^']*)'?|\\(.)/gsu, (_all, double, single, escaped) => {
        if (typeof double === 'string') return double.replace(/\\(["\\])/gu, '$1')
        return String(single ?? escaped ?? '')
      }),
    )
  }
  return words
}

/** The inverse: what `splitArguments` reads back as the same words. */
export function joinArguments(words: readonly string[]): string {
  return words
    .map((word) => (/^[\w.,:/=+@%-]+$/u.test(word) ? word : `"${word.replace(/["\\]/gu, '\\$&')}"`))
    .join(' ')
}
