// How quickly the app is there, measured in Chromium against a service that runs (see service.js).
import { launch, origin } from './service.js'

const times = 5
const browser = await launch()

/** @param {number[]} values */
const median = (values) =>
  values.sort((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0

for (const path of ['/', '/sign-in']) {
  /** @type {{ ready: number; paint: number; bytes: number; shift: number }[]} */
  const results = []
  for (let time = 0; time < times; time += 1) {
    // A context of its own: nothing is cached.
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } })
    const page = await context.newPage()
    await page.addInitScript(() => {
      Object.assign(window, { shift: 0 })
      new PerformanceObserver((list) => {
        // The types of TypeScript's DOM do not know layout shifts.
        for (const entry of list.getEntries())
          Reflect.set(window, 'shift', Reflect.get(window, 'shift') + Reflect.get(entry, 'value'))
      }).observe({ type: 'layout-shift', buffered: true })
    })
    const started = performance.now()
    await page.goto(origin + path)
    await page.locator(path === '/' ? '.cm-content' : 'form').waitFor()
    const ready = performance.now() - started
    await page.waitForTimeout(500)
    results.push({
      ready,
      ...(await page.evaluate(() => ({
        paint: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0,
        bytes: performance
          .getEntriesByType('resource')
          .reduce((sum, entry) => sum + Number(Reflect.get(entry, 'transferSize')), 0),
        shift: Number(Reflect.get(window, 'shift')),
      }))),
    })
    await context.close()
  }
  const of = (/** @type {'ready' | 'paint' | 'bytes' | 'shift'} */ name) =>
    median(results.map((result) => result[name]))
  console.log(
    `${path}: first paint ${of('paint').toFixed(0)} ms, usable ${of('ready').toFixed(0)} ms, ` +
      `${(of('bytes') / 1000).toFixed(0)} kB transferred, layout shift ${of('shift').toFixed(3)}`,
  )
}
await browser.close()
