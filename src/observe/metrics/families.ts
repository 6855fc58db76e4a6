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
    'Time from the arrival of a request to the 101 response or the refusal, by outcome.',
  ],
  wstunnel_received_bytes_total: ['counter', 'Payload bytes received from clients.'],
  wstunnel_sent_bytes_total: ['counter', 'Payload bytes sent to clients.'],
  wstunnel_queued_bytes: ['gauge', 'Bytes in memory that the client or the backend has not accepted yet.'],
  wstunnel_client_rtt_seconds: [
    'histogram',
    'Round trip to a client: from a PING of the server to the PONG.',
  ],
  wstunnel_backend_tunnels: ['gauge', 'Open tunnels, by backend.'],
  wstunnel_backend_up: [
    'gauge',
    '0 from a failure of the backend until its next connection, otherwise 1; by backend.',
  ],
  wstunnel_backend_failures_total: [
    'counter',
    'Failed connections to backends and failed starts of programs, by backend.',
  ],
  wstunnel_backend_connect_duration_seconds: [
    'histogram',
    'Time to connect to a backend, including TLS, the opening handshake of a WebSocket backend, and the start of a program.',
  ],
  wstunnel_recordings_failed_total: ['counter', 'Recordings that failed, by the setting whenFails.'],
  wstunnel_shared_up: ['gauge', '1 while the store of the shared state answers, otherwise 0.'],
  wstunnel_programs: ['gauge', 'Processes of programs that the tunnels started, by state.'],
  wstunnel_revalidations_total: ['counter', 'Login checks of open tunnels, by outcome.'],
  wstunnel_draining: ['gauge', '1 after close(): new tunnels are refused; otherwise 0.'],
  wstunnel_event_loop_delay_seconds: [
    'histogram',
    'How late timers of this process run, sampled ten times a second while the metrics are read.',
  ],
  wstunnel_build_info: ['gauge', 'Versions of the package and of Node; always 1.'],
} as const satisfies Record<string, readonly [Kind, string]>;

export type FamilyName = keyof typeof FAMILIES;
