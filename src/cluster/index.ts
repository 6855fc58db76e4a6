import cluster, { type Worker } from 'node:cluster';
import { oneOf, seconds } from '../options/checks/basic.js';
import { checkNames } from '../options/checks/names.js';
import { ChannelBackplane, serveStore } from '../replicas/channel.js';
import { MemoryBackplane, MemoryStore } from '../replicas/memory-backplane.js';
import { processChannel } from '../replicas/process-channel.js';
import { newReplicaName } from '../replicas/replica-settings.js';
import { distributedState } from '../shared/distributed-state.js';
import type { SharedState } from '../types.js';

export type { SharedState } from '../types.js';

/** The options of `clusterShared()`. */
export interface ClusterOptions {
  /** Seconds without a heartbeat after which the slots of a worker are free. A worker that ends frees its slots at once. Default 45. */
  ttl?: number;
  /** Seconds for the primary to answer. Default 1. */
  timeout?: number;
  /**
   * While the primary does not answer: with `'local'` (default) each worker counts only its own tunnels, with `'refuse'` new
   * tunnels are refused with 503.
   */
  whenDown?: 'local' | 'refuse';
}

const CHECKS = {
  ttl: seconds(1, 3600),
  timeout: seconds(0.05, 30),
  whenDown: oneOf(['local', 'refuse']),
};

const STORE = 'cluster.1';

const NO_PRIMARY = 'the primary process has not answered: call clusterShared() there as well';

/** The store of the primary, which all states of the primary share. */
let primary: MemoryStore | undefined;

/**
 * State that the workers of node:cluster share, for the option `shared` of `wstunnel()`. Call this function also in the primary, which
 * keeps the counts.
 *
 *     import cluster from 'node:cluster';
 *     const shared = clusterShared();
 *     if (cluster.isPrimary) cluster.fork();
 *     else app.use('/vnc', requireLogin, wstunnel({ server: { port: 5900 }, limits: { perUser: 3 }, shared }));
 *
 * @throws {TunnelError} WSTUNNEL_OPTION for an invalid option.
 */
export function clusterShared(options: ClusterOptions = {}): SharedState {
  checkNames(options, 'clusterShared()', CHECKS);
  const { ttl = 45, timeout = 1, whenDown = 'local' } = options;
  const settings = { name: newReplicaName(), ttl, timeout, whenDown };
  const backplane = cluster.isWorker
    ? new ChannelBackplane(processChannel(process), STORE, { timeout, silence: NO_PRIMARY, warn })
    : new MemoryBackplane((primary ??= servedStore(ttl)));
  return distributedState(backplane, settings);
}

function servedStore(ttl: number): MemoryStore {
  const store = new MemoryStore(ttl);
  const serve = (worker: Worker) => {
    worker.once('disconnect', serveStore(store, STORE, processChannel(worker.process)));
  };
  for (const worker of Object.values(cluster.workers ?? {})) if (worker) serve(worker);
  cluster.on('fork', serve);
  return store;
}

/** Without this warning, an app that does not listen to the event `'shared'` would not notice that each worker counts alone. */
function warn(): void {
  process.emitWarning(`wstunnel: ${NO_PRIMARY}`, { code: 'WSTUNNEL_CLUSTER' });
}
