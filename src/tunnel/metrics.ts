import { version } from '../helpers/version.js';
import { eventLoopDelay } from '../observe/metrics/event-loop-delay.js';
import { MetricsPage, type Labels } from '../observe/metrics/metrics-page.js';
import { OpenSums } from '../observe/metrics/open-sums.js';
import { closedLabels, type TunnelCounts } from '../observe/metrics/tunnel-counts.js';
import type { Totals } from '../observe/totals.js';
import { fail } from '../options/checks/fail.js';
import type { LocalState } from '../shared/local-state.js';

/** The metrics of all tunnel objects with these states. A state may be given several times. */
export function metricsOf(states: readonly LocalState[]): string {
  const page = new MetricsPage();
  const different = new Set(states);
  const names = new Set<string | undefined>();
  for (const state of different)
    for (const [name, totals] of state.totals) {
      // Two series with the same labels would make the whole page invalid.
      if (names.has(name))
        fail('metrics()', 'needs different names: set the option name of each tunnel object', name);
      names.add(name);
      addState(page, state, name, totals);
      addCounts(page, { tunnel: name }, totals.counts);
    }
  addPrograms(page, different);
  page.histogram('wstunnel_event_loop_delay_seconds', eventLoopDelay());
  page.sample('wstunnel_build_info', 1, { version: packageVersion(), node: process.versions.node });
  return page.toString();
}

/** The open tunnels and the hosts of the tunnel objects with one name. */
function addState(page: MetricsPage, state: LocalState, tunnel: string | undefined, totals: Totals): void {
  const members = state.members.named(tunnel);
  const listed = new Set(members.flatMap(({ lists }) => lists.flat().map(({ id }) => id)));
  const sums = new OpenSums(listed);
  for (const { open } of members) for (const one of open) one.addTo(sums);
  const bytes = totals.counts.rising(totals.bytesIn + sums.received, totals.bytesOut + sums.sent);
  page.sample('wstunnel_tunnels', sums.tunnels, { tunnel });
  page.sample('wstunnel_received_bytes_total', bytes.received, { tunnel });
  page.sample('wstunnel_sent_bytes_total', bytes.sent, { tunnel });
  page.sample('wstunnel_queued_bytes', sums.queuedToClient, { tunnel, to: 'client' });
  page.sample('wstunnel_queued_bytes', sums.queuedToBackend, { tunnel, to: 'backend' });
  for (const [backend, value] of sums.byHost)
    page.sample('wstunnel_backend_tunnels', value, { tunnel, backend });
  for (const backend of listed)
    page.sample('wstunnel_backend_up', Number(!state.hasOutage(backend)), { tunnel, backend });
  // After a reload the old tunnel object drains while the new one serves. After close() there is no member.
  const isDraining = members.every((member) => member.isDraining());
  page.sample('wstunnel_draining', Number(isDraining), { tunnel });
  if (state.network) page.sample('wstunnel_shared_up', Number(state.up), { tunnel });
}

function addCounts(page: MetricsPage, labels: Labels, counts: TunnelCounts): void {
  page.sample('wstunnel_tunnels_opened_total', counts.openingSeconds.opened.count, labels);
  for (const [key, value] of counts.closed.entries())
    page.sample('wstunnel_tunnels_closed_total', value, { ...labels, ...closedLabels(key) });
  for (const [code, value] of counts.refused.entries())
    page.sample('wstunnel_refusals_total', value, { ...labels, code });
  for (const [backend, value] of counts.backendFailures.entries())
    page.sample('wstunnel_backend_failures_total', value, { ...labels, backend });
  for (const [outcome, value] of Object.entries(counts.checks))
    page.sample('wstunnel_revalidations_total', value, { ...labels, outcome });
  for (const [whenFails, value] of Object.entries(counts.failedRecordings))
    page.sample('wstunnel_recordings_failed_total', value, { ...labels, when_fails: whenFails });
  for (const [outcome, histogram] of Object.entries(counts.openingSeconds))
    page.histogram('wstunnel_handshake_duration_seconds', histogram, { ...labels, outcome });
  page.histogram('wstunnel_tunnel_duration_seconds', counts.tunnelSeconds, labels);
  page.histogram('wstunnel_backend_connect_duration_seconds', counts.connectSeconds, labels);
  page.histogram('wstunnel_client_rtt_seconds', counts.roundTripSeconds, labels);
}

function addPrograms(page: MetricsPage, states: ReadonlySet<LocalState>): void {
  const sums: Record<string, number> = {};
  for (const { spawner } of states)
    for (const [state, value] of Object.entries(spawner.states())) sums[state] = (sums[state] ?? 0) + value;
  for (const [state, value] of Object.entries(sums)) page.sample('wstunnel_programs', value, { state });
}

let known: string | undefined;

function packageVersion(): string {
  try {
    known ??= version();
  } catch {
    // In an app that was bundled into one file, the package.json of this package may be missing.
    known = 'unknown';
  }
  return known;
}
