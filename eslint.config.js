import tseslint from 'typescript-eslint'

export default tseslint.config(
  {
    ignores: [
      'dist/**',
      'sdk/dist/**',
      'node_modules/**',
      'data/**',
      'contracts/out/**',
      'contracts/cache/**',
    ],
  },
  ...tseslint.configs.recommended,
  {
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      // Hot code reads typed arrays at indices that its invariants prove; `!` is the notation for that.
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/consistent-type-imports': 'error',
      eqeqeq: 'error',
      'no-console': 'off',
      'prefer-const': 'error',
    },
  },
  {
    // The wall clock may be wrong: nothing in the gateway is decided by it.
    files: ['gateway/**/*.ts'],
    ignores: ['gateway/requests/wall-clock.ts', 'gateway/**/*.test.ts'],
    rules: {
      'no-restricted-properties': [
        'error',
        {
          object: 'Date',
          property: 'now',
          message:
            'Engine time is Gateway.timeMs, pace is performance.now(), the wall clock is wall-clock.ts.',
        },
      ],
    },
  },
  {
    // Neither in the SDK: its deadlines, expiries and nonces are of engine time.
    files: ['sdk/**/*.ts'],
    ignores: ['sdk/**/*.test.ts'],
    rules: {
      'no-restricted-properties': [
        'error',
        {
          object: 'Date',
          property: 'now',
          message: 'Engine time is ClientCore.nowMs, pace is performance.now().',
        },
      ],
    },
  },
  {
    // What acts for a client waits through stillStanding, which checks again whether it still may.
    files: [
      'gateway/frames/frames.ts',
      'gateway/net/http.ts',
      'gateway/net/http-frames.ts',
      'gateway/requests/http-token.ts',
      'gateway/requests/requests.ts',
      'gateway/requests/session-requests.ts',
      'gateway/streams/subscriptions.ts',
    ],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector: 'AwaitExpression:not(:has(> CallExpression[callee.name="stillStanding"]))',
          message: 'Check, await, act: wait through stillStanding (gateway/sessions/still-standing.ts).',
        },
      ],
    },
  },
)
