import { eventLoopDelay } from '../observe/metrics/event-loop-delay.js';
import { closedLabels, type TunnelCounts } from '../observe/metrics/tunnel-counts.js';
import { MetricsPage, type Labels } from '../observe/metrics/metrics-page.js';
import { OpenSums } from '../observe/metrics/open-sums.js';
import { version } from '../helpers/version.js';
import { fail } from '../options/checks/fail.js';
import type { LocalState } from '../shared/local-state.js';

/** The metrics of all tunnel objects with these states. A state may be given several times. */
export function metricsOf(states: readonly LocalState[]): string {
  const page = new MetricsPage();
  const different = new Set(states);
  const names = new Set<string | undefined>();
  for (const state of different)
    for (const [name, { counts }] of state.totals) {
      // Two series with the same labels would make the whole page invalid.
      if (names.has(name))
        fail('metrics()', 'needs a different name for each tunnel: set the option name of each tunnel', name);
      names.add(name);
      addOpen(page, state, name, counts);
      addCounts(page, { tunnel: name }, counts);
    }
  addPrograms(page, different);
  page.histogram(
    'wstunnel_event_loop_delay_seconds',
    'Delay of timers in this process, sampled ten times a second from the first page of metrics on.',
    eventLoopDelay(),
  );
  const build = { version: packageVersion(), node: process.versions.node };
  page.sample('wstunnel_build_info', 'gauge', 'Versions, always 1.', 1, build);
  return page.toString();
}

/** What the open tunnels and the hosts are now. */
function addOpen(page: MetricsPage, state: LocalState, name: string | undefined, counts: TunnelCounts): void {
  const tunnel = name;
  const members = state.members.named(name);
  const listed = new Set(members.flatMap(({ lists }) => lists.flat().map(({ id }) => id)));
  const sums = new OpenSums(listed);
  for (const { open } of members) for (const one of open) one.addTo(sums);
  const totals = state.totals.get(name) ?? { bytesIn: 0, bytesOut: 0 };
  const bytes = counts.rising(totals.bytesIn + sums.received, totals.bytesOut + sums.sent);
  page.sample('wstunnel_tunnels', 'gauge', 'Open tunnels.', sums.tunnels, { tunnel });
  page.sample(
    ...counter('wstunnel_received_bytes_total', 'Payload bytes from clients, accepted for the backend.'),
    bytes.received,
    { tunnel },
  );
  page.sample(
    ...counter('wstunnel_sent_bytes_total', 'Payload bytes from backends, accepted for the client.'),
    bytes.sent,
    { tunnel },
  );
  const queued = { client: sums.queuedToClient, backend: sums.queuedToBackend };
  for (const [to, value] of Object.entries(queued))
    page.sample('wstunnel_queued_bytes', 'gauge', 'Bytes queued in memory for a slow side.', value, {
      tunnel,
      to,
    });
  for (const [backend, value] of sums.byHost)
    page.sample('wstunnel_backend_tunnels', 'gauge', 'Open tunnels by backend.', value, { tunnel, backend });
  for (const backend of listed)
    page.sample(
      'wstunnel_backend_up',
      'gauge',
      'Whether tunnels go to the backend.',
      Number(state.isHostUp(backend)),
      {
        tunnel,
        backend,
      },
    );
  // After a reload the old tunnel object drains while the new one serves.
  const isDraining = members.every((member) => member.isDraining());
  page.sample(
    'wstunnel_draining',
    'gauge',
    'Whether new tunnels are refused by close().',
    Number(isDraining),
    {
      tunnel,
    },
  );
}

function addCounts(page: MetricsPage, labels: Labels, counts: TunnelCounts): void {
  page.sample(
    ...counter('wstunnel_tunnels_opened_total', 'Tunnels opened.'),
    counts.openingSeconds.opened.count,
    labels,
  );
  for (const [key, value] of counts.closed.entries())
    page.sample(
      ...counter('wstunnel_tunnels_closed_total', 'Tunnels ended, by cause and close code.'),
      value,
      {
        ...labels,
        ...closedLabels(key),
      },
    );
  for (const [code, value] of counts.refused.entries())
    page.sample(...counter('wstunnel_refusals_total', 'Requests refused, by code.'), value, {
      ...labels,
      code,
    });
  for (const [backend, value] of counts.backendFailures.entries())
    page.sample(...counter('wstunnel_backend_failures_total', 'Failed connections to backends.'), value, {
      ...labels,
      backend,
    });
  for (const [outcome, value] of Object.entries(counts.checks))
    page.sample(
      ...counter('wstunnel_revalidations_total', 'Login checks of open tunnels, by result.'),
      value,
      {
        ...labels,
        outcome,
      },
    );
  const { openingSeconds, tunnelSeconds, connectSeconds, roundTripSeconds } = counts;
  page.histogram('wstunnel_tunnel_duration_seconds', 'Age of tunnels at their end.', tunnelSeconds, labels);
  for (const [outcome, histogram] of Object.entries(openingSeconds))
    page.histogram(
      'wstunnel_handshake_duration_seconds',
      'From the arrival of a request to the 101 response or the refusal.',
      histogram,
      { ...labels, outcome },
    );
  page.histogram(
    'wstunnel_backend_connect_duration_seconds',
    'Connecting to a backend, with TLS and the opening handshake of a WebSocket backend.',
    connectSeconds,
    labels,
  );
  page.histogram(
    'wstunnel_client_rtt_seconds',
    'From a PING to the PONG of the client, with queued bytes before the PING.',
    roundTripSeconds,
    labels,
  );
}

function addPrograms(page: MetricsPage, states: ReadonlySet<LocalState>): void {
  const sums: Record<string, number> = {};
  for (const { spawner } of states)
    for (const [state, value] of Object.entries(spawner.states())) sums[state] = (sums[state] ?? 0) + value;
  for (const [state, value] of Object.entries(sums))
    page.sample('wstunnel_programs', 'gauge', 'Processes of programs (spawn), by state.', value, { state });
}

function counter(name: string, help: string): [string, 'counter', string] {
  return [name, 'counter', help];
}

let known: string | undefined;

function packageVersion(): string {
  try {
    known ??= version();
  } catch {
    // A bundle of the app may have no package.json of this package.
    known = 'unknown';
  }
  return known;
}
