import js from '@eslint/js'
import svelte from 'eslint-plugin-svelte'
import globals from 'globals'
import ts from 'typescript-eslint'

export default ts.config(
  { ignores: ['dist', 'node_modules', 'test-results', 'src/api/generated.ts'] },
  js.configs.recommended,
  ...ts.configs.strictTypeChecked,
  ...svelte.configs['flat/recommended'],
  {
    languageOptions: {
      globals: { ...globals.browser, ...globals.node },
      parserOptions: { projectService: true, extraFileExtensions: ['.svelte'], parser: ts.parser },
    },
  },
  {
    rules: {
      // A cast hides what the compiler could have told us; `as const` is no cast.
      '@typescript-eslint/consistent-type-assertions': ['error', { assertionStyle: 'never' }],
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // Passing on the result of a void call keeps handlers short.
      '@typescript-eslint/no-confusing-void-expression': 'off',
      // Effects read a signal to be run again when it changes.
      '@typescript-eslint/no-meaningless-void-operator': 'off',
      // What a program prints is hostile: there is no way to put HTML into a page.
      'svelte/no-at-html-tags': 'error',
      // The application has a router of its own.
      'svelte/no-navigation-without-resolve': 'off',
      'max-lines': ['error', { max: 200, skipBlankLines: true, skipComments: true }],
    },
  },
  {
    // The types of markup are checked by svelte-check; this parser does not know those of its snippets.
    files: ['**/*.svelte'],
    rules: {
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
    },
  },
  { files: ['src/api/generated.ts', '*.js', 'scripts/*.js'], ...ts.configs.disableTypeChecked },
)
