// GraphiQL, served by the service itself: an entry of its own, so that nobody else loads it.
import 'graphiql/setup-workers/vite'
import 'graphiql/style.css'
import './playground.css'
import { createGraphiQLFetcher } from '@graphiql/toolkit'
import { GraphiQL } from 'graphiql'
import { createClient } from 'graphql-ws'
import { createElement } from 'react'
import { createRoot } from 'react-dom/client'
import languages from './languages.graphql?raw'
import submit from './submit.graphql?raw'
import watch from './watch.graphql?raw'

// The session cookie of the app goes along with both.
const fetcher = createGraphiQLFetcher({
  url: '/graphql',
  wsClient: createClient({
    url: `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/graphql`,
  }),
})

const root = document.getElementById('playground')
if (root) {
  createRoot(root).render(
    createElement(GraphiQL, {
      fetcher,
      defaultQuery: languages,
      defaultTabs: [{ query: languages }, { query: submit }, { query: watch }],
    }),
  )
}
