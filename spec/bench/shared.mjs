// What a state shared over Redis costs: handshakes, an idle replica, ends, a cap over three processes, single calls, and many replicas.
//
//     node spec/bench/shared.mjs [--part handshakes|session|idle|ends|cap|units|many] [--rounds 5] [--seconds 2] [--tunnels 9000] [--replicas 100] [--quick]
import process from 'node:process';
import { parseArgs } from 'node:util';
import { cap } from './shared/cap.mjs';
import { ends } from './shared/ends.mjs';
import { handshakes } from './shared/handshakes.mjs';
import { idle } from './shared/idle.mjs';
import { many } from './shared/many.mjs';
import { units } from './shared/units.mjs';

const { values } = parseArgs({
  options: {
    part: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string' },
    tunnels: { type: 'string', default: '9000' },
    replicas: { type: 'string', default: '100' },
    client: { type: 'string' },
    ends: { type: 'string', default: '1000' },
    hosts: { type: 'string', default: '100' },
    count: { type: 'string', default: '20000' },
    quick: { type: 'boolean', default: false },
  },
});
/** A quick run shows that everything works, not how much it costs. */
const { quick } = values;
const seconds = (normal, few) => Number(values.seconds ?? (quick ? few : normal));
const rounds = quick ? 1 : Number(values.rounds);
const tunnels = quick ? 40 : Number(values.tunnels);

const PARTS = {
  handshakes: () => handshakes({ rounds, seconds: seconds(2, 0.1), warm: quick ? 0.05 : 0.3 }),
  session: () => handshakes({ rounds, seconds: seconds(2, 0.1), warm: quick ? 0.05 : 0.3, session: true }),
  idle: () => idle({ tunnels, seconds: seconds(60, 1) }),
  ends: () => ends({ count: quick ? 10 : Number(values.ends) }),
  cap: () =>
    cap({
      rate: quick ? 100 : 1000,
      seconds: seconds(20, 1.5),
      most: quick ? 10 : 500,
      client: values.client,
    }),
  units: () => units({ count: quick ? 100 : Number(values.count), sizes: quick ? [1, 3] : [1, 3, 100] }),
  many: () =>
    many({
      count: quick ? 5 : Number(values.replicas),
      hosts: quick ? 10 : Number(values.hosts),
      users: quick ? 10 : 1000,
      seconds: seconds(30, 1),
    }),
};

for (const [name, run] of Object.entries(PARTS))
  if (values.part === undefined || values.part === name) await run();
process.exit();
