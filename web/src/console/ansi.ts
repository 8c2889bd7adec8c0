// Colours and weights that a program asks for by ANSI escape sequences (ECMA-48 SGR). Nothing else of a
// terminal is taken over: no cursor, no title, no links. What is not understood is not shown.

export interface Style {
  /** 0–15 from the palette of the theme, or a colour as CSS writes it. */
  colour: number | string | null
  background: number | string | null
  isBold: boolean
  isDim: boolean
  isItalic: boolean
  isUnderlined: boolean
  isInverse: boolean
}

export const plain: Style = Object.freeze({
  colour: null,
  background: null,
  isBold: false,
  isDim: false,
  isItalic: false,
  isUnderlined: false,
  isInverse: false,
})

const steps = [0, 95, 135, 175, 215, 255] as const

function hex(red: number, green: number, blue: number): string {
  return `#${[red, green, blue].map((part) => part.toString(16).padStart(2, '0')).join('')}`
}

/** The 256-colour palette of xterm behind the first 16. */
function indexed(index: number): number | string {
  if (index < 16) return index
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10
    return hex(grey, grey, grey)
  }
  const cube = index - 16
  const part = (position: number) => steps[Math.floor(cube / position) % 6] ?? 0
  return hex(part(36), part(6), part(1))
}

function isByte(value: number | undefined): value is number {
  return value !== undefined && value >= 0 && value <= 255
}

/** `38;5;n` and `38;2;r;g;b`: the colour and how many parameters it took. */
function extended(codes: readonly number[], at: number): [number | string | null, number] {
  const [kind, first, second, third] = codes.slice(at + 1, at + 5)
  if (kind === 5 && isByte(first)) return [indexed(first), 2]
  if (kind === 2 && isByte(first) && isByte(second) && isByte(third)) {
    return [hex(first, second, third), 4]
  }
  return [null, codes.length]
}

function attribute(style: Style, code: number): Style {
  if (code === 0) return plain
  if (code === 1) return { ...style, isBold: true }
  if (code === 2) return { ...style, isDim: true }
  if (code === 3) return { ...style, isItalic: true }
  if (code === 4) return { ...style, isUnderlined: true }
  if (code === 7) return { ...style, isInverse: true }
  if (code === 22) return { ...style, isBold: false, isDim: false }
  if (code === 23) return { ...style, isItalic: false }
  if (code === 24) return { ...style, isUnderlined: false }
  if (code === 27) return { ...style, isInverse: false }
  if (code >= 30 && code <= 37) return { ...style, colour: code - 30 }
  if (code === 39) return { ...style, colour: null }
  if (code >= 40 && code <= 47) return { ...style, background: code - 40 }
  if (code === 49) return { ...style, background: null }
  if (code >= 90 && code <= 97) return { ...style, colour: code - 82 }
  if (code >= 100 && code <= 107) return { ...style, background: code - 92 }
  return style
}

/** The style after `ESC [ parameters m`. */
export function styled(style: Style, parameters: string): Style {
  const codes = parameters.split(/[;:]/u).map((code) => (code === '' ? 0 : Number(code)))
  let next = style
  for (let at = 0; at < codes.length; at += 1) {
    const code = codes[at] ?? 0
    if (code === 38 || code === 48) {
      const [colour, taken] = extended(codes, at)
      next = code === 38 ? { ...next, colour } : { ...next, background: colour }
      at += taken
    } else {
      next = attribute(next, code)
    }
  }
  return isPlain(next) ? plain : next
}

function isPlain(style: Style): boolean {
  return (
    style.colour === null &&
    style.background === null &&
    !style.isBold &&
    !style.isDim &&
    !style.isItalic &&
    !style.isUnderlined &&
    !style.isInverse
  )
}
