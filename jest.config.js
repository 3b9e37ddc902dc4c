// Tests run over the compiled output, in bare Node: worker threads, native modules and
// typed-array speed are the same as in production. Two processes: many tests wait for a chain or a disk.
export default {
  rootDir: 'dist',
  testMatch: ['**/*.test.js'],
  runner: 'jest-light-runner/child-process',
  transform: {},
  maxWorkers: 2,
}
