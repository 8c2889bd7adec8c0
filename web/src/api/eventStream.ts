// Server-sent events as they come over the wire (HTML standard, 9.2.6), as far as graphql-sse uses them.
export interface ServerEvent {
  name: string
  data: string
}

export class EventStream {
  #rest = ''
  #name = ''
  #data: string[] = []

  /** The events that are complete with this piece; a piece may end anywhere. */
  feed(text: string): ServerEvent[] {
    const events: ServerEvent[] = []
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/u)
    this.#rest = lines.pop() ?? ''
    for (const line of lines) {
      if (line !== '') this.#take(line)
      else if (this.#name !== '' || this.#data.length > 0) {
        events.push({ name: this.#name || 'message', data: this.#data.join('\n') })
        this.#name = ''
        this.#data = []
      }
    }
    return events
  }

  #take(line: string): void {
    const [, field = '', value = ''] = /^([^:]*):? ?(.*)$/su.exec(line) ?? []
    if (field === 'event') this.#name = value
    else if (field === 'data') this.#data.push(value)
  }
}
