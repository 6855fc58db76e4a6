import type { TunnelOptions } from '../../../src/index.js';
import { runBackend, runClient, type Load } from './ends.js';
import { runFrameBackend } from './frame-backend.js';
import { Random, seedOf } from '../random.js';
import { isWebSocket, startSite, upgradeOn, type BackendKind, type Site, type Transport } from './site.js';

export interface Run {
  readonly transport: Transport;
  readonly backend: BackendKind;
  readonly tunnels: number;
  readonly load: Load;
  readonly options?: Partial<TunnelOptions>;
}

export interface RunResult {
  readonly site: Site;
  /** The Close of each tunnel. */
  readonly codes: readonly number[];
  /** The tunnels that the backend served, in order. */
  readonly served: readonly number[];
}

/** The backend ends odd tunnels, the client even tunnels. */
const backendEnds = (tunnel: number) => tunnel % 2 === 1;

/** Runs many tunnels at once, each with a stream per direction; rejects with the seed at the first wrong byte. */
export async function runTunnels({
  transport,
  backend,
  tunnels,
  load,
  options = {},
}: Run): Promise<RunResult> {
  const served: Promise<number>[] = [];
  const random = new Random(load.seed);
  const runEnd = isWebSocket(backend) ? runFrameBackend : runBackend;
  const site = await startSite(
    transport,
    backend,
    (socket) => served.push(runEnd(socket, load, new Random(random.word()), backendEnds)),
    { closeTimeout: 60, limits: { buffered: 65_536 }, ...(load.text && { frameType: 'text' }), ...options },
  );
  const numbers = Array.from({ length: tunnels }, (_, tunnel) => tunnel);
  const clients = numbers.map(async (tunnel) => {
    const own = new Random(seedOf(load.seed, tunnel));
    const socket = site.dial(own);
    await upgradeOn(socket);
    return runClient(socket, tunnel, load, own, !backendEnds(tunnel));
  });
  try {
    // The backend's error says more than the client's, which is only a lost connection.
    const codes = await Promise.all(clients).catch(async (error: unknown) => {
      const wrong = (await Promise.allSettled(served)).find(({ status }) => status === 'rejected');
      throw wrong ? new Error(`${String(error)}; ${String((wrong as PromiseRejectedResult).reason)}`) : error;
    });
    return { site, codes, served: (await Promise.all(served)).sort((a, b) => a - b) };
  } catch (error) {
    throw new Error(`seed ${load.seed}: ${String(error)}`, { cause: error });
  }
}
