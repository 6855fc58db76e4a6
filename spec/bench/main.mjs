// `npm run bench`: measures our relay and its peers on the same work, in one run. See README.md in this folder.
import console from 'node:console';
import { existsSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { allPeers } from './peers.mjs';
import { summarize, tables } from './report.mjs';
import { allRows } from './rows/index.mjs';
import { ContentError, runAll, whyNot } from './run.mjs';
import { compileLoad, cores, has, here, machine } from './system.mjs';

const USAGE = `npm run bench -- [options]

  --rows a,b         only these rows (--list names them)
  --peers a,b        only these peers
  --rounds N         number of rounds, of which the medians are taken (5)
  --seconds S        seconds of each measurement (2), after one second to warm up
  --quick            one round of tiny runs: shows whether everything works, not how fast
  --lighttpd PATH    another build of lighttpd; several: targets are judged against the newest
  --relay NAME=FILE  one more relay: a program for Node that takes --port, --backend and --tls PEM
  --json FILE        the file for the figures (bench-results.json)
  --list             list the rows and peers
`;

const { values } = parseArgs({
  options: {
    rows: { type: 'string' },
    peers: { type: 'string' },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    quick: { type: 'boolean', default: false },
    lighttpd: { type: 'string', multiple: true },
    relay: { type: 'string', multiple: true, default: [] },
    json: { type: 'string', default: 'bench-results.json' },
    list: { type: 'boolean' },
    help: { type: 'boolean' },
  },
});

function chosen(all, names, kind) {
  if (names === undefined) return all;
  const wanted = names.split(',');
  const isCalled = (one, name) => one.name === name || one.family === name;
  const unknown = wanted.filter((name) => !all.some((one) => isCalled(one, name)));
  if (unknown.length > 0) throw new Error(`no such ${kind}: ${unknown.join(', ')} (--list names them)`);
  return all.filter((one) => wanted.some((name) => isCalled(one, name)));
}

function readNumber(text, name) {
  const number = Number(text);
  if (!(number > 0)) throw new Error(`--${name}: ${text} is not a number above 0`);
  return number;
}

async function main() {
  if (values.help) return console.log(USAGE);
  const { quick } = values;
  const relays = values.relay.map((text) => [text.split('=')[0], resolve(text.split('=')[1] ?? '')]);
  const everyPeer = allPeers({ lighttpd: values.lighttpd, relays });
  const rows = chosen(allRows({ quick }), values.rows, 'row');
  const asked = chosen(everyPeer, values.peers, 'peer');
  if (values.list) {
    for (const row of rows) console.log(`${row.name.padEnd(20)} ${row.what}`);
    return console.log(`\npeers: ${asked.map(({ name }) => name).join(', ')}`);
  }
  if (!existsSync(resolve(here, '../../dist/index.js')))
    throw new Error('dist/ is missing: run npm run build first');
  for (const tool of ['taskset', 'prlimit'])
    if (!has(tool)) throw new Error(`missing: ${tool}. apt-get install util-linux`);

  const skipped = [];
  const peers = asked.filter((peer) => {
    const line = peer.missing();
    if (line) skipped.push(`${peer.name}: ${line}`);
    return !line;
  });
  const load = compileLoad();
  for (const row of rows) {
    for (const peer of peers) {
      const why = whyNot(row, peer, load);
      if (why && why !== 'not its row') skipped.push(`${row.name}, ${peer.name}: ${why}`);
    }
  }
  const rounds = values.rounds === undefined ? (quick ? 1 : 5) : readNumber(values.rounds, 'rounds');
  const measured = values.seconds === undefined ? (quick ? 0.2 : 2) : readNumber(values.seconds, 'seconds');
  const shape = machine();
  console.log(
    `${shape.cpu}, ${shape.cores} cores, ${shape.memoryGiB} GiB, Linux ${shape.kernel}, Node ${shape.node}, ${shape.date}; ` +
      `load average ${shape.loadAverage.toFixed(2)}, ${shape.descriptors} descriptors`,
  );
  console.log(`${peers.map((peer) => `${peer.name} ${peer.version()}`.trim()).join(', ')}`);
  console.log(`relay on core ${cores[0]}, load on core ${cores.at(-1)}\n`);
  for (const line of skipped) console.log(`skipped: ${line}`);
  if (cores.length < 2) console.log('relay and load share one core: rates mean little, CPU times are valid');
  if (shape.loadAverage > 0.5) console.log('THE MACHINE IS BUSY: do not trust these figures');

  const failures = [];
  const results = await runAll({
    ...{ rows, peers, load, rounds, seconds: { measured, warm: quick ? 0.1 : 1 } },
    onRow: (row, round) => console.error(`round ${round + 1} of ${rounds}: ${row.what}`),
    onFailure: (row, peer, { message }) => {
      failures.push(`${row.name}, ${peer.name}: ${message}`);
      console.error(`FAILED: ${failures.at(-1)}`);
    },
  });
  const command = [
    'npm run bench',
    ...(process.argv.length > 2 ? ['--', ...process.argv.slice(2)] : []),
  ].join(' ');
  const summary = summarize({
    rows,
    peers,
    results,
    command,
    machine: shape,
    rounds,
    seconds: measured,
    skipped,
    failures,
  });
  writeFileSync(values.json, `${JSON.stringify(summary, undefined, 2)}\n`);
  console.log(`\n${tables({ rows, summary })}\n\n${values.json} has each round.`);
  if (failures.length > 0) {
    console.log(`\n${failures.length} failed:\n${failures.join('\n')}`);
    process.exitCode = 1;
  }
}

try {
  await main();
} catch (error) {
  console.error(
    error instanceof ContentError ? `\n${error.message}\nNo figure of this run is valid.` : error.message,
  );
  process.exitCode = error instanceof ContentError ? 2 : 1;
}
