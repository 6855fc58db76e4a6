import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { shownAddress, type BindAddress } from '../../command-line/bind-and-target.js';
import { CommandError } from '../../exit.js';
import type { UnixAccess } from '../plan.js';
import { listenOn } from '../server/listen-on.js';

/** Connections at once. A probe is one short request. */
const MOST_CONNECTIONS = 64;
/** Milliseconds for the headers, and for the whole request. */
const REQUEST_TIMEOUT = 5000;
/**
 * Milliseconds without a byte in either direction. A client that does not read its answer is disconnected after two periods, since the
 * kernel accepts some bytes in the first one.
 */
const SILENCE_TIMEOUT = 5000;
/** Milliseconds between two looks for requests that are too slow. */
const LOOK_PERIOD = 1000;
/** Bytes of the headers of a request. */
const MOST_HEADERS = 8 * 1024;

/** The state of the process. `ok`, or the text of the 503. */
export interface Health {
  /** Does the process work? */
  readonly works: () => 'ok' | 'no worker';
  /** May new clients be sent here? */
  readonly accepts: () => 'ok' | 'starting' | 'draining' | 'no worker' | 'no shared state';
}

/** The page of `/metrics`. Never rejects. */
export type MetricsSource = () => string | Promise<string>;

/**
 * The http server of `--health` or `--metrics`, apart from the servers for clients: their logins, limits and TLS do not apply, and a full server
 * still answers. Every answer ends its connection, so that no connection of a probe outlives the answer.
 */
export class HealthServer {
  readonly #server;
  readonly #address: BindAddress;
  readonly #metrics: MetricsSource | undefined;

  private constructor(address: BindAddress, health: Health, metrics: MetricsSource | undefined) {
    this.#address = address;
    this.#metrics = metrics;
    this.#server = createServer(
      {
        headersTimeout: REQUEST_TIMEOUT,
        requestTimeout: REQUEST_TIMEOUT,
        connectionsCheckingInterval: LOOK_PERIOD,
        maxHeaderSize: MOST_HEADERS,
      },
      (req, res) => void answer(health, metrics, req, res),
    );
    this.#server.maxConnections = MOST_CONNECTIONS;
    // A client that does not read its answer must not keep a connection.
    this.#server.timeout = SILENCE_TIMEOUT;
  }

  /** @throws {CommandError} for an address that can't be listened on */
  static async open(
    address: BindAddress,
    unix: UnixAccess | undefined,
    health: Health,
    metrics?: MetricsSource,
  ): Promise<HealthServer> {
    const opened = new HealthServer(address, health, metrics);
    try {
      await listenOn(opened.#server, address, unix ?? {});
    } catch (error) {
      throw error instanceof CommandError
        ? new CommandError(
            error.exitCode,
            `${metrics ? 'the metrics (--metrics)' : 'the health checks (--health)'}: ${error.message}`,
            { cause: error },
          )
        : error;
    }
    // An accept can fail (no descriptors left). Without an `error` listener, the event would end the process.
    opened.#server.on('error', () => undefined);
    return opened;
  }

  /** The line with the real address. */
  get line(): string {
    const address = this.#server.address();
    const at =
      typeof address === 'object' && address
        ? `http://${shownAddress({ host: address.address, port: address.port })}`
        : shownAddress(this.#address);
    return this.#metrics
      ? `metrics at ${at}: /metrics, /healthz, /readyz`
      : `health checks at ${at}: /healthz, /readyz`;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

async function answer(
  health: Health,
  metrics: MetricsSource | undefined,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const [path] = (req.url ?? '').split('?');
  const state = path === '/healthz' ? health.works : path === '/readyz' ? health.accepts : undefined;
  const page = path === '/metrics' ? metrics : undefined;
  const isRead = req.method === 'GET' || req.method === 'HEAD';
  if (!state && !page) send(res, 404, 'not found\n');
  else if (!isRead) send(res.setHeader('Allow', 'GET, HEAD'), 405, 'method not allowed\n');
  else if (page) send(res, 200, await page(), METRICS_TYPE);
  else if (state) send(res, state() === 'ok' ? 200 : 503, `${state()}\n`);
}

/** Node leaves out the body of the answer to HEAD. */
function send(res: ServerResponse, status: number, body: string, type = 'text/plain; charset=utf-8'): void {
  res.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    Connection: 'close',
  });
  res.end(body);
}
