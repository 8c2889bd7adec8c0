// Writes src/api/generated.ts from ../schema.graphql and the .graphql files beside the code.
// `--check` only says whether it is up to date.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { codegen } from '@graphql-codegen/core'
import * as operations from '@graphql-codegen/typescript-operations'
import * as documents from '@graphql-codegen/typed-document-node'
import { buildASTSchema, parse } from 'graphql'

const target = 'src/api/generated.ts'
const read = (/** @type {string} */ path) => parse(readFileSync(path, 'utf8'))
const schema = read('../schema.graphql')
const paths = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.graphql') && !path.startsWith('playground'))
  .sort()

const config = {
  scalars: { DateTime: 'string', Base64: 'string', Long: 'number' },
  enumType: 'string-literal',
  useTypeImports: true,
  skipTypename: false,
  optimizeDocumentNode: true,
}
const code = await codegen({
  filename: target,
  schema,
  schemaAst: buildASTSchema(schema),
  documents: paths.map((path) => ({ location: path, document: read(join('src', path)) })),
  config,
  plugins: [{ operations: config }, { documents: config }],
  pluginMap: { operations, documents },
})

if (process.argv.includes('--check')) {
  if (readFileSync(target, 'utf8') !== code) {
    console.error(`${target} is stale: npm run codegen`)
    process.exitCode = 1
  }
} else {
  writeFileSync(target, code)
}
