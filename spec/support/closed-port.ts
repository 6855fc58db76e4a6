import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

/**
 * Servers on port 0 and outgoing connections get ports of the kernel's ephemeral range. A closed port of that range may belong to
 * another test's server a moment later: that server would accept a connection that should be refused. A port below the range is
 * used only by a program that names the port, so a closed port stays closed.
 */
const LOWEST = 12_000;
const HIGHEST = Math.min(lowestEphemeral(), 32_768);

/** Ports per worker, so that two workers never return the same port. */
const SLICE = 128;
/** Distance between two results: a program may also use the ports after the given one. */
const STEP = 4;

const slices = Math.floor((HIGHEST - LOWEST) / SLICE);
let calls = 0;

/** A TCP port of 127.0.0.1 without a listener: connections to it are refused until the test itself listens there. */
export async function closedPort(): Promise<number> {
  if (slices < 1) return releasedPort(0);
  for (let attempt = 0; attempt < slices * (SLICE / STEP); attempt++) {
    const offset = STEP * calls++;
    const slice = (process.pid + Math.floor(offset / SLICE)) % slices;
    const port = LOWEST + slice * SLICE + (offset % SLICE);
    if (await releasedPort(port).catch(() => undefined)) return port;
  }
  throw new Error(`every port from ${LOWEST} to ${HIGHEST} is in use`);
}

/** Listens on the port for a moment; rejects if the port is in use. */
function releasedPort(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : port));
    });
  });
}

function lowestEphemeral(): number {
  try {
    return Number(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s+/)[0]);
  } catch {
    return 32_768;
  }
}
