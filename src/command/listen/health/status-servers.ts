import { isDeepStrictEqual } from 'node:util';
import type { Plan } from '../plan.js';
import { HealthServer, type Health, type MetricsSource } from './health-server.js';

/** The servers of `--health` and `--metrics`: one server if both have the same address. */
export class StatusServers {
  readonly #servers: HealthServer[] = [];

  /** @throws {CommandError} for an address that can't be listened on */
  async open({ health, metrics, unix }: Plan, state: Health, source: MetricsSource): Promise<void> {
    const isOne = health?.port !== 0 && isDeepStrictEqual(health, metrics);
    if (health && !isOne) this.#servers.push(await HealthServer.open(health, unix, state));
    if (metrics) this.#servers.push(await HealthServer.open(metrics, unix, state, source));
  }

  /** A line for each server, with the real address. */
  get lines(): string[] {
    return this.#servers.map(({ line }) => line);
  }

  close(): void {
    for (const server of this.#servers) server.close();
  }
}
