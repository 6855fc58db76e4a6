// What the filter of the option `vnc` costs: round trips of 64 bytes of RFB messages over one tunnel, with the filter and without, in turn.
//
//     node spec/bench/vnc.mjs [--dist FOLDER] [--starts 5] [--turns 7] [--trips 20000] [--quick]
import console from 'node:console';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { spread } from './observe/apps.mjs';
import { startVncApp } from './vnc/apps.mjs';
import { openClient, startBackend, tripsOf } from './vnc/load.mjs';

const { values } = parseArgs({
  options: {
    dist: { type: 'string' },
    starts: { type: 'string', default: '5' },
    turns: { type: 'string', default: '7' },
    trips: { type: 'string', default: '20000' },
    quick: { type: 'boolean', default: false },
  },
});
/** A quick run shows that everything works, not how much it costs. */
const [starts, turns, trips] = values.quick
  ? [1, 1, 50]
  : [values.starts, values.turns, values.trips].map(Number);

/** The values of the option; `off` is the tunnel without the option. */
const VARIANTS = {
  off: undefined,
  'password only': { password: 'of the bench' },
  followed: { inputIdleTimeout: 3600 },
  'view only': { viewOnly: true },
};

const backend = await startBackend();
const ratios = {};
for (let start = 0; start < starts; start++) {
  const clients = {};
  const apps = {};
  for (const [name, vnc] of turned(Object.entries(VARIANTS), start)) {
    apps[name] = await startVncApp({ dist: values.dist, backend: backend.portFor(vnc), vnc });
    clients[name] = await openClient(apps[name].port, vnc !== undefined);
    await tripsOf(clients[name], trips);
  }
  const cpuOf = async (name) => {
    const before = await apps[name].ask('cpu');
    await tripsOf(clients[name], trips);
    return (await apps[name].ask('cpu')) - before;
  };
  for (let turn = 0; turn < turns; turn++) {
    const used = {};
    for (const [name] of turned(Object.entries(VARIANTS), turn)) used[name] = await cpuOf(name);
    for (const name of Object.keys(VARIANTS)) (ratios[name] ??= []).push(used[name] / used.off);
  }
  for (const name of Object.keys(VARIANTS)) {
    clients[name].destroy();
    await apps[name].stop();
  }
}
for (const name of Object.keys(VARIANTS).slice(1))
  console.log(`${name}: CPU of a round trip, of a tunnel without the option: ${spread(ratios[name])}`);
process.exit();

/** Each start and turn begins with another variant, so that other work of the machine affects all alike. */
function turned(list, by) {
  return list.map((_, at) => list[(at + by) % list.length]);
}
