// One clock for all relative times, so that a list does not tick row by row.
class Clock {
  now = $state(Date.now())

  constructor() {
    setInterval(() => (this.now = Date.now()), 1_000)
  }
}

export const clock = new Clock()
