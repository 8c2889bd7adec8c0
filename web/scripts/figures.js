// How quickly the app is there, measured in Chromium against a service that runs (see service.js):
// medians over fresh contexts, in which nothing is cached.
import { launch, origin, register } from './service.js'

const times = 5
/** What there is to wait for until the page can be used. */
const pages = [
  ['/', '.cm-content'],
  ['/sign-in', 'form'],
  ['/history', 'ol[aria-busy="false"]'],
]
const names = ['paint', 'largest', 'usable', 'blocked', 'shift', 'bytes']

/** @param {number[]} values */
const median = (values) =>
  values.sort((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0

/** Runs in the page: the types of TypeScript's DOM do not know these entries. */
function watch() {
  const seen = { largest: 0, shift: 0, blocked: 0 }
  Object.assign(window, { seen })
  const on = (/** @type {string} */ type, /** @type {(entry: PerformanceEntry) => void} */ take) =>
    new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({
      type,
      buffered: true,
    })
  on('largest-contentful-paint', (entry) => (seen.largest = entry.startTime))
  on('layout-shift', (entry) => (seen.shift += Number(Reflect.get(entry, 'value'))))
  // As in "total blocking time": what a task takes beyond 50 ms.
  on('longtask', (entry) => (seen.blocked += entry.duration - 50))
}

function result() {
  const resources = performance.getEntriesByType('resource')
  return {
    ...Reflect.get(window, 'seen'),
    paint: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0,
    bytes: resources.reduce((sum, entry) => sum + Number(Reflect.get(entry, 'transferSize')), 0),
  }
}

const browser = await launch()
const person = await browser.newContext({ baseURL: origin })
await register(person, 'Ada Lovelace')
const storageState = await person.storageState()

console.log('page       first paint  largest paint  usable  blocked  layout shift  transferred')
for (const [path, selector] of pages) {
  /** @type {Record<string, number>[]} */
  const results = []
  for (let time = 0; time < times; time += 1) {
    const context = await browser.newContext({
      baseURL: origin,
      viewport: { width: 1280, height: 800 },
      ...(path === '/history' ? { storageState } : {}),
    })
    const page = await context.newPage()
    await page.addInitScript(watch)
    const started = performance.now()
    await page.goto(path ?? '/')
    await page.locator(selector ?? 'main').waitFor({ state: 'attached' })
    const usable = performance.now() - started
    // What is still to come and would move the page.
    await page.waitForTimeout(500)
    results.push({ usable, ...(await page.evaluate(result)) })
    await context.close()
  }
  const [paint, largest, usable, blocked, shift, bytes] = names.map((name) =>
    median(results.map((one) => one[name] ?? 0)),
  )
  const ms = (/** @type {number | undefined} */ value, /** @type {number} */ width) =>
    `${(value ?? 0).toFixed(0)} ms`.padStart(width)
  console.log(
    `${(path ?? '').padEnd(9)}${ms(paint, 13)}${ms(largest, 15)}${ms(usable, 8)}${ms(blocked, 9)}` +
      `${(shift ?? 0).toFixed(3).padStart(14)}${`${((bytes ?? 0) / 1000).toFixed(0)} kB`.padStart(13)}`,
  )
}

/** Runs in the page: the longest time for which nothing else could happen there. */
function watchPauses() {
  let before = performance.now()
  const seen = { longest: 0 }
  Object.assign(window, { seen })
  const tick = () => {
    const now = performance.now()
    seen.longest = Math.max(seen.longest, now - before)
    before = now
    setTimeout(tick, 0)
  }
  tick()
}

const page = await person.newPage()
await page.goto('/')
await page.locator('.cm-content').click()
await page.keyboard.press('ControlOrMeta+a')
await page.keyboard.insertText('line = "y" * 99\nfor i in range(100000):\n    print(line)\n')
await page.evaluate(watchPauses)
await page.keyboard.press('ControlOrMeta+Enter')
await page.getByText(/Finished|Too much output/).waitFor()
const { longest } = await page.evaluate(() => Reflect.get(window, 'seen'))
console.log(
  `a program that prints 10 MB: the longest pause of the page is ${longest.toFixed(0)} ms`,
)
await browser.close()
