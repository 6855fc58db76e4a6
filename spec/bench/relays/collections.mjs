// Loaded before a relay (`node --import`): records V8's garbage collections, and at SIGUSR2 writes the records to the file that the environment names.
import { writeFileSync } from 'node:fs';
import { constants, performance, PerformanceObserver } from 'node:perf_hooks';
import process from 'node:process';

const collections = [];
new PerformanceObserver((list) => {
  for (const { startTime, detail } of list.getEntries())
    collections.push({
      at: performance.timeOrigin + startTime,
      isMajor: detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR,
    });
}).observe({ entryTypes: ['gc'] });

process.on('SIGUSR2', () =>
  writeFileSync(process.env.WSTUNNEL_BENCH_COLLECTIONS, JSON.stringify(collections)),
);
