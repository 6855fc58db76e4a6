#!/usr/bin/env node
// Plays a day in production on a simulated machine: see README.md. Needs Linux, root, and the programs that README.md names.
import console from 'node:console';
import { performance } from 'node:perf_hooks';
import process from 'node:process';
import { setTimeout } from 'node:timers';
import { fileURLToPath } from 'node:url';
import { Day } from './play/day.mjs';
import { EVENTS } from './play/events/all.mjs';
import { PATIENCE } from './play/patience.mjs';
import { buildMachine, isInside, playInside } from './play/namespace.mjs';

/** Seconds until a hanging play is ended. */
const DEADLINE = 120 * PATIENCE;

if (!isInside) process.exit(await playInside(fileURLToPath(import.meta.url)));

setTimeout(() => {
  console.error(`the play did not end within ${DEADLINE} seconds`);
  process.exit(1);
}, DEADLINE * 1000).unref();

buildMachine();
const day = new Day();
const begin = performance.now();
let played = 0;
let failed = 0;
/** The names of the events to play after the start; all events if empty. */
const wanted = process.argv.slice(2);
const events = EVENTS.filter(([name], at) => at === 0 || wanted.length === 0 || wanted.includes(name));
for (const [name, event] of events) {
  const since = performance.now();
  let line;
  played += 1;
  try {
    line = `ok    ${name}: ${await event(day)}`;
  } catch (error) {
    failed += 1;
    line = `FAIL  ${name}: ${error.message}`;
  }
  console.log(`${line} (${((performance.now() - since) / 1000).toFixed(1)} s)`);
  // Without a started machine, every other event would fail too.
  if (failed > 0 && !day.load) break;
}
if (failed > 0)
  for (const name of ['express-wstunnel@a', 'express-wstunnel@b', 'haproxy'])
    console.log(`\n${name}:\n${day.systemd.unit(name).output}`);
console.log(
  `${played - failed} of ${events.length} events in ${((performance.now() - begin) / 1000).toFixed(1)} s`,
);
process.exit(played - failed === events.length ? 0 : 1);
