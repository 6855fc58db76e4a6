// The long fuzz test, bundled and started by ../fuzz.mjs. Prints a line for each part: target, inputs, inputs per second, memory.
import { appendFileSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { fuzz, TARGETS } from './run.js';

const { values } = parseArgs({
  options: {
    total: { type: 'string', default: '24000000' },
    seed: { type: 'string', default: process.env.FUZZ_SEED ?? String(Date.now() >>> 0) },
    parts: { type: 'string', default: '100' },
    only: { type: 'string', default: '' },
    out: { type: 'string' },
  },
});
const seed = Number(values.seed);
const parts = Number(values.parts);
const say = (line: string): void => {
  console.log(line);
  if (values.out !== undefined) appendFileSync(values.out, `${line}\n`);
};
const done = new Map<string, { inputs: number; seconds: number; faults: number }>();
const stopping = new AbortController();
const isStopped = (): boolean => stopping.signal.aborted;
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => stopping.abort());
let rejections = 0;
process.on('unhandledRejection', (error) => {
  rejections++;
  say(`FAULT unhandled rejection: ${String(error)}`);
});

function report(): void {
  const all = [...done.values()];
  const sum = (of: 'inputs' | 'faults') => all.reduce((total, one) => total + one[of], 0);
  for (const [name, { inputs, seconds, faults }] of done)
    say(`  ${inputs} inputs, ${Math.round(inputs / seconds)} per second, ${faults} faults: ${name}`);
  say(`${sum('inputs')} inputs, ${sum('faults') + rejections} faults, seed ${seed}`);
}

async function main(): Promise<void> {
  const targets = TARGETS.filter(({ name }) => name.includes(values.only));
  say(
    `seed ${seed}, ${values.total} inputs in ${parts} parts, Node ${process.version}, process ${process.pid}`,
  );
  for (let part = 0; part < parts && !isStopped(); part++) {
    for (const target of targets) {
      if (isStopped()) break;
      const inputs = Math.ceil((Number(values.total) * target.share) / 1000 / parts);
      const result = await fuzz(target, {
        seed,
        first: part * inputs,
        inputs,
        isStopped,
        nextTurn,
      });
      for (const fault of result.faults) say(`FAULT ${target.name}: ${fault}`);
      const before = done.get(target.name) ?? { inputs: 0, seconds: 0, faults: 0 };
      done.set(target.name, {
        inputs: before.inputs + result.inputs,
        seconds: before.seconds + result.seconds,
        faults: before.faults + result.faults.length,
      });
    }
    say(
      `part ${part + 1} of ${parts}, ${new Date().toISOString()}, rss ${Math.round(process.memoryUsage().rss / 1e6)} MB`,
    );
    report();
  }
  process.exitCode = rejections > 0 || [...done.values()].some(({ faults }) => faults > 0) ? 1 : 0;
}

void main();
