import { once } from 'node:events';
import type { Server } from 'node:net';

export interface Place {
  readonly host: string;
  readonly port: number;
  /** The number of ports to try, from `port` on, until a port is free. Default: 1. */
  readonly tries?: number;
}

/** Resolves to the port. Rejects with the error of the last port. */
export async function listen(server: Server, { host, port, tries = 1 }: Place): Promise<number> {
  for (let at = port; ; at++) {
    try {
      server.listen(at, host);
      await once(server, 'listening');
      const address = server.address();
      return typeof address === 'object' && address ? address.port : at;
    } catch (error) {
      const isInUse = (error as { code?: string }).code === 'EADDRINUSE';
      if (!isInUse || at + 1 >= port + tries || at === 65_535) throw error;
    }
  }
}
