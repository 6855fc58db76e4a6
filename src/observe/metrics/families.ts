type Kind = 'counter' | 'gauge' | 'histogram';

/** All metrics. A name and its labels are stable: dashboards and alerts use them. */
export const FAMILIES = {
  wstunnel_tunnels: ['gauge', 'Open tunnels.'],
  wstunnel_tunnels_opened_total: ['counter', 'Tunnels opened.'],
  wstunnel_tunnels_closed_total: ['counter', 'Tunnels ended, by cause and close code.'],
  wstunnel_tunnel_duration_seconds: ['histogram', 'Age of tunnels at their end.'],
  wstunnel_refusals_total: ['counter', 'Requests refused, by code.'],
  wstunnel_handshake_duration_seconds: [
    'histogram',
    'From the arrival of a request to the 101 response or the refusal, by outcome.',
  ],
  wstunnel_received_bytes_total: ['counter', 'Payload bytes from clients.'],
  wstunnel_sent_bytes_total: ['counter', 'Payload bytes to clients.'],
  wstunnel_queued_bytes: ['gauge', 'Bytes in memory that the client or the backend does not accept yet.'],
  wstunnel_client_rtt_seconds: ['histogram', 'From a PING to the PONG of the client.'],
  wstunnel_backend_tunnels: ['gauge', 'Open tunnels, by backend.'],
  wstunnel_backend_up: ['gauge', 'Whether the backend counts as up, by backend.'],
  wstunnel_backend_failures_total: ['counter', 'Failed connections to backends, by backend.'],
  wstunnel_backend_connect_duration_seconds: [
    'histogram',
    'Connecting to a backend, with TLS and the opening handshake of a WebSocket backend.',
  ],
  wstunnel_programs: ['gauge', 'Processes of programs that the tunnels started, by state.'],
  wstunnel_revalidations_total: ['counter', 'Login checks of open tunnels, by outcome.'],
  wstunnel_draining: ['gauge', 'Whether close() was called: new tunnels are refused.'],
  wstunnel_event_loop_delay_seconds: [
    'histogram',
    'Delay of a timer in this process, ten times a second from the first page of metrics on.',
  ],
  wstunnel_build_info: ['gauge', 'Versions of the package and of Node; always 1.'],
} as const satisfies Record<string, readonly [Kind, string]>;

export type FamilyName = keyof typeof FAMILIES;
