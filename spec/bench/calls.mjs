// Counts the system calls of a relay with strace. strace slows the relay down, so that more bytes are ready at each read and write:
// the real counts may be higher.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { folder, has, hasEnded, LOAD_CORE, start, stop } from './system.mjs';

export async function countCalls(row, relay, run) {
  if (!has('strace')) throw new Error('apt-get install strace');
  const file = join(folder, `strace-${relay.pid}`);
  const tracer = start('strace', ['-f', '-c', '-U', 'calls,name', '-o', file, '-p', String(relay.pid)], {
    core: LOAD_CORE,
  });
  try {
    while (!/attached/.test(tracer.output) && !hasEnded(tracer)) await wait(10);
    const one = await run();
    const written = once(tracer, 'exit');
    if (hasEnded(tracer)) throw new Error(tracer.output);
    tracer.kill('SIGINT');
    await written;
    const per = row.args.includes('echo') ? one.total / 128 : one.total / 1e6;
    const byName = readCounts(readFileSync(file, 'utf8'));
    const calls = Object.values(byName).reduce((sum, count) => sum + count, 0) / per;
    const each = Object.entries(byName).map(([name, count]) => [name, count / per]);
    const often = each.filter(([, count]) => count >= 0.1).sort(([, a], [, b]) => b - a);
    return { ...one, calls, least: row.leastCalls, byName: Object.fromEntries(often) };
  } finally {
    await stop(tracer);
  }
}

/** Parses strace's lines of a count and a name; the last line is the total. */
function readCounts(text) {
  const lines = text.split('\n').map((line) => /^\s*(\d+)\s+(\w+)\s*$/.exec(line));
  return Object.fromEntries(
    lines.filter((match) => match && match[2] !== 'total').map(([, count, name]) => [name, Number(count)]),
  );
}
