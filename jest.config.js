// Tests run over the compiled output, in bare Node: worker threads, native modules and
// typed-array speed are the same as in production. Three processes: many tests wait for a chain or a disk.
// They must end by themselves behind their last suite (jest-runner.ts).
export default {
  rootDir: 'dist',
  testMatch: ['**/*.test.js'],
  runner: '<rootDir>/test/support/jest-runner.js',
  setupFiles: ['<rootDir>/test/support/worker-end.js'],
  testSequencer: '<rootDir>/test/support/sequencer.js',
  transform: {},
  maxWorkers: 3,
}
