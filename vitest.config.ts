import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  // The demo imports the package by its name: here that is the source.
  resolve: {
    alias: {
      'express-wstunnel/client': fileURLToPath(new URL('./src/client/index.ts', import.meta.url)),
      'express-wstunnel/redis': fileURLToPath(new URL('./src/redis/index.ts', import.meta.url)),
      'express-wstunnel/record': fileURLToPath(new URL('./src/record/index.ts', import.meta.url)),
      'express-wstunnel/tokens': fileURLToPath(new URL('./src/tokens/index.ts', import.meta.url)),
      'express-wstunnel': fileURLToPath(new URL('./src/index.ts', import.meta.url)),
    },
  },
  test: {
    include: ['spec/**/*.spec.ts'],
    globalSetup: ['spec/support/homes.ts'],
    setupFiles: ['spec/support/setup.ts'],
    // Real sockets and real programs: a hung test must fail rather than hang the run.
    testTimeout: 20_000,
    hookTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 2,
    reporters: ['default'],
  },
});
