// Short messages that come and go, each with at most one thing to do about it.
interface Toast {
  id: number
  text: string
  action: { label: string; run: () => void } | null
}

const shownMs = 8_000
/** Whoever is to do something about it reads it first, and then finds the button. */
const withActionMs = 20_000

class Toasts {
  list = $state.raw<Toast[]>([])
  #next = 1

  say(text: string, action: Toast['action'] = null): void {
    const id = this.#next++
    this.list = [...this.list.filter((toast) => toast.text !== text), { id, text, action }]
    setTimeout(() => this.dismiss(id), action ? withActionMs : shownMs)
  }

  dismiss(id: number): void {
    this.list = this.list.filter((toast) => toast.id !== id)
  }
}

export const toasts = new Toasts()
