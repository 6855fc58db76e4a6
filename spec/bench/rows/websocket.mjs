// Backends that speak WebSocket: the same work beside nginx, HAProxy in HTTP mode and http-proxy-middleware.
import { DOWN, echo, KIB, repeated, tunnelCount, up } from './shared.mjs';

const down = (frame) => ['--mode', 'down', '--write', String(frame)];
const AS_NGINX = [
  { metric: 'rate', against: 'nginx', least: 1 },
  { metric: 'cpu', against: 'nginx', most: 1.2 },
];

/** @returns {import('./index.mjs').Row[]} */
export function websocketRows({ quick }) {
  const traffic = [
    { name: 'ws-download', what: 'download in messages of 64 KiB', args: DOWN },
    { name: 'ws-download-64', what: 'download in messages of 64 B', args: down(64) },
    { name: 'ws-upload-64k', what: 'upload in messages of 64 KiB', args: up(64 * KIB) },
    { name: 'ws-upload-64', what: 'upload in messages of 64 B', args: up(64) },
    {
      name: 'ws-tunnels-100',
      what: 'download through 100 tunnels',
      args: DOWN,
      tunnels: tunnelCount(100, quick),
    },
  ].map((row) => ({ ...row, kind: 'traffic', targets: AS_NGINX }));
  const trips = {
    name: 'ws-echo-64',
    what: 'round trip of 64 B',
    kind: 'trips',
    args: echo(64),
    targets: [
      { metric: 'p50', against: 'nginx', most: 1 },
      { metric: 'cpu', against: 'nginx', most: 1.2 },
    ],
  };
  const handshakes = {
    name: 'ws-handshakes',
    what: 'handshakes, ours through Express',
    kind: 'handshakes',
    args: repeated('handshakes', quick),
    targets: AS_NGINX,
  };
  return [...traffic, trips, handshakes].map((row) => ({
    ...row,
    what: `WebSocket backend: ${row.what}`,
    websocket: true,
  }));
}
