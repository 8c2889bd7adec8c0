// What a first visit loads before any language pack, gzipped, against what it may be.
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

const budgetKB = 220
const html = readFileSync('dist/index.html', 'utf8')
const paths = [...html.matchAll(/(?:src|href)="\/(assets\/[^"]+\.(?:js|css))"/g)].flatMap(
  ([, path]) => (path === undefined ? [] : [path]),
)
let scripts = 0
for (const path of paths) {
  const size = gzipSync(readFileSync(`dist/${path}`), { level: 9 }).length / 1000
  if (path.endsWith('.js')) scripts += size
  console.log(`${size.toFixed(1).padStart(7)} kB  ${path}`)
}
console.log(`${scripts.toFixed(1).padStart(7)} kB  of JavaScript; the budget is ${budgetKB} kB`)
if (scripts > budgetKB || paths.length === 0) process.exitCode = 1
