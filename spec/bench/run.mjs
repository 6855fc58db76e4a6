// Runs one measurement, and all of them: interleaved, in rounds.
import { once } from 'node:events';
import { get } from 'node:http';
import { connect } from 'node:net';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { clearTimeout, setTimeout } from 'node:timers';
import { setTimeout as wait } from 'node:timers/promises';
import { METRICS } from './rows/metrics.mjs';
import { countCalls } from './calls.mjs';
import { hasWorkers } from './peers.mjs';
import { ALL_CORES, cores, folder, freePort, hasEnded, LOAD_CORE, start, stop } from './system.mjs';

/** The bytes that arrived differ from the bytes that were sent: no figure of the run is valid. */
export class ContentError extends Error {}

/** Why a row does not apply to a peer; undefined if the row applies. */
export function whyNot(row, peer, load) {
  if (row.peers && !row.peers.includes(peer.family ?? peer.name)) return 'not its row';
  if (row.websocket ? !peer.websocket : peer.websocket === 'only') return 'not its row';
  if (row.framesOnly && peer.raw) return 'no WebSocket';
  if (row.workers && !hasWorkers()) return 'the command has no option --workers';
  if (row.workers > cores.length) return `needs ${row.workers} cores`;
  if (row.tls && !load.tls) return 'built without TLS: apt-get install libssl-dev';
  if (row.tls && peer.missingTls?.()) return peer.missingTls();
  if (peer.cannot?.[row.name]) return peer.cannot[row.name];
  if (row.kind !== 'memory' && (row.tunnels ?? 1) > (peer.most ?? Infinity))
    return `at most ${peer.most} tunnels`;
  return undefined;
}

/**
 * Measures every row for every peer, round after round, so that other work of the machine affects all peers alike.
 * @returns {Promise<Map<string, Map<string, object[]>>>} the rounds by row and peer
 */
export async function runAll({ rows, peers, load, rounds, seconds, onRow, onFailure }) {
  const results = new Map(rows.map((row) => [row.name, new Map()]));
  for (let round = 0; round < rounds; round++) {
    for (const row of rows) {
      onRow(row, round);
      // Each round starts with another peer.
      const turned = peers.map((_, at) => peers[(at + round) % peers.length]);
      for (const peer of turned.filter((one) => !whyNot(row, one, load))) {
        const ofPeer = results.get(row.name);
        if (!ofPeer.has(peer.name)) ofPeer.set(peer.name, []);
        try {
          const raw = await measure(row, peer, load, seconds);
          ofPeer.get(peer.name).push({ round, ...metricsOf(row, raw), raw });
        } catch (error) {
          if (error instanceof ContentError)
            throw new ContentError(`${row.name}, ${peer.name}: ${error.message}`);
          onFailure(row, peer, error);
        }
      }
    }
  }
  return results;
}

function metricsOf(row, raw) {
  return Object.fromEntries(Object.entries(METRICS[row.kind]).map(([name, { from }]) => [name, from(raw)]));
}

/** Measures a new relay, from a cold start. */
async function measure(row, peer, load, seconds) {
  const place = { port: await freePort(), backend: await freePort() };
  const variant = peer.name === 'ours' ? row.variant : undefined;
  const countsCollections = row.kind === 'memory' && peer.isNode === true;
  const { tls = false, websocket = false, workers } = row;
  const [command, ...args] = peer.command({ ...place, tls, variant, websocket, workers, countsCollections });
  const counted = { WSTUNNEL_BENCH_COLLECTIONS: join(folder, `collections-${place.port}`) };
  const relay = start(command, args, { core: workers ? ALL_CORES : undefined, env: counted });
  try {
    await listening(place.port, relay);
    const cookie = variant === 'session' ? await login(place.port) : undefined;
    const run = () => runLoad(loadArgs(row, peer, place, relay.pid, seconds, cookie), load);
    if (row.kind === 'calls') return await countCalls(row, relay, run);
    const raw = { ...(await run()), ...(workers && { workers }) };
    if (!countsCollections) return raw;
    return { ...raw, collections: await collectionsOf(relay, counted.WSTUNNEL_BENCH_COLLECTIONS, raw) };
  } catch (error) {
    if (!(error instanceof ContentError) && relay.output)
      error.message += `; the relay said: ${relay.output.trim().slice(-500)}`;
    throw error;
  } finally {
    await stop(relay);
  }
}

function loadArgs(row, peer, { port, backend }, group, { measured, warm }, cookie) {
  const tunnels = Math.min(row.tunnels ?? 1, peer.most ?? Infinity);
  const args = { relay: port, backend, group, tunnels, seconds: measured, warm };
  return [
    ...Object.entries(args).flatMap(([name, value]) => [`--${name}`, String(value)]),
    ...row.args,
    ...(row.settle ? ['--settle', String(peer.isNode ? row.settle.node : row.settle.other)] : []),
    ...(peer.raw ? ['--raw'] : []),
    ...(row.tls ? ['--tls'] : []),
    ...(row.websocket ? ['--websocket'] : []),
    ...(cookie ? ['--header', `Cookie: ${cookie}`] : []),
  ];
}

export async function runLoad(args, load) {
  const child = start(load.program, args, { core: LOAD_CORE });
  // The load has a deadline of its own, which is earlier.
  const late = setTimeout(() => void stop(child), 240_000);
  if (!hasEnded(child)) await once(child, 'close');
  clearTimeout(late);
  await stop(child);
  const said = child.output.trim();
  if (child.exitCode === 2) throw new ContentError(said);
  if (child.exitCode !== 0)
    throw new Error(said || `the load ended by ${child.signalCode ?? child.exitCode}`);
  return JSON.parse(said);
}

/** V8's collections while the tunnels opened, and while they settled, idle. */
async function collectionsOf(relay, file, { opened, settled }) {
  process.kill(relay.pid, 'SIGUSR2');
  for (let tries = 0; tries < 200 && !existsSync(file); tries++) await wait(10);
  const all = JSON.parse(readFileSync(file, 'utf8'));
  const count = (from, to) => {
    const some = all.filter(({ at }) => at >= from && at < to);
    const major = some.filter(({ isMajor }) => isMajor).length;
    return { major, minor: some.length - major };
  };
  return { opening: count(0, opened), settling: count(opened, settled) };
}

async function listening(port, relay) {
  for (let tries = 0; tries < 1000; tries++) {
    if (hasEnded(relay)) throw new Error(`the relay ended: ${relay.output}`);
    const socket = connect(port, '127.0.0.1');
    const open = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (open) return;
    await wait(10);
  }
  throw new Error('the relay does not listen');
}

export async function login(port) {
  const [answer] = await once(get({ host: '127.0.0.1', port, path: '/login' }), 'response');
  answer.resume();
  const [cookie] = answer.headers['set-cookie'];
  return cookie.split(';')[0];
}
