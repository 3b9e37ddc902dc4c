// Tests run over the compiled output, in bare Node: worker threads, native modules and
// typed-array speed are the same as in production.
export default {
  rootDir: 'dist',
  testMatch: ['**/*.test.js'],
  runner: 'jest-light-runner/child-process',
  transform: {},
}
