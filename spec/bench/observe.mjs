// What metrics(), recordings and the admin page cost.
//
//     node spec/bench/observe.mjs [--part metrics|record|admin] [--rows download,upload,upload-64,both,echo,handshakes] [--dist FOLDER] [--base FOLDER] [--folder FOLDER]
//         [--tunnels 9000] [--starts 3] [--turns 5] [--seconds 1] [--quick]
import { resolve } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { admin } from './observe/admin.mjs';
import { metrics } from './observe/metrics.mjs';
import { record } from './observe/record.mjs';

const { values } = parseArgs({
  options: {
    part: { type: 'string' },
    rows: { type: 'string' },
    base: { type: 'string' },
    dist: { type: 'string' },
    folder: { type: 'string' },
    tunnels: { type: 'string', default: '9000' },
    starts: { type: 'string', default: '3' },
    turns: { type: 'string', default: '5' },
    seconds: { type: 'string' },
    quick: { type: 'boolean', default: false },
  },
});
/** A quick run shows that everything works, not how much it costs. */
const { quick } = values;
const options = {
  tunnels: quick ? 40 : Number(values.tunnels),
  dist: values.dist && resolve(values.dist),
  rows: values.rows?.split(','),
  starts: quick ? 1 : Number(values.starts),
  turns: quick ? 1 : Number(values.turns),
  seconds: Number(values.seconds ?? (quick ? 0.1 : 1)),
  warm: quick ? 0.05 : 0.3,
};

const PARTS = {
  metrics: () =>
    metrics({ ...options, pages: quick ? 3 : 101, ...(values.base && { base: resolve(values.base) }) }),
  record: () => record({ ...options, ...(values.folder && { folder: resolve(values.folder) }) }),
  admin: () => admin({ ...options, busy: quick ? 5 : 300 }),
};

for (const [name, run] of Object.entries(PARTS))
  if (values.part === undefined || values.part === name) await run();
process.exit();
