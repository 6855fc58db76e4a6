import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onCleanup } from './cleanup.js';
import { Program } from './programs.js';
import { sleep } from './wait.js';

/** A series of an answer of Prometheus, and its value now. */
export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

interface Answer {
  readonly status: string;
  readonly error?: string;
  readonly data?: {
    readonly result: readonly { metric: Record<string, string>; value: [time: number, value: string] }[];
  };
}

/** Milliseconds between two scrapes. */
const INTERVAL = 500;

/** Milliseconds until a scrape must have brought a number. */
const DEADLINE = 15_000;

/** A Prometheus that scrapes servers on loopback, until the test ends. */
export class Prometheus {
  private constructor(
    readonly port: number,
    readonly program: Program,
  ) {}

  /** `jobs`: the ports that serve `/metrics`, by the label `job`. */
  static async start(jobs: Readonly<Record<string, readonly number[]>>): Promise<Prometheus> {
    const folder = await mkdtemp(join(tmpdir(), 'wstunnel-prometheus-'));
    onCleanup(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }));
    const file = join(folder, 'prometheus.json');
    // JSON is YAML.
    const config = {
      global: { scrape_interval: `${INTERVAL}ms`, scrape_timeout: `${INTERVAL}ms` },
      scrape_configs: Object.entries(jobs).map(([job, ports]) => ({
        job_name: job,
        static_configs: [{ targets: ports.map((port) => `127.0.0.1:${port}`) }],
      })),
    };
    await writeFile(file, JSON.stringify(config));
    const program = new Program('prometheus', [
      `--config.file=${file}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      '--web.listen-address=127.0.0.1:0',
    ]);
    const [, port] = await program.prints(/msg="Listening on" address=127\.0\.0\.1:(\d+)/);
    await program.prints(/Server is ready to receive web requests/);
    return new Prometheus(Number(port), program);
  }

  /** The series of an expression; rejects with the message of Prometheus if the expression is invalid. */
  async query(expression: string): Promise<Series[]> {
    const url = `http://127.0.0.1:${this.port}/api/v1/query?query=${encodeURIComponent(expression)}`;
    const answer = (await (await fetch(url)).json()) as Answer;
    if (answer.status !== 'success') throw new Error(`${expression}: ${answer.error}`);
    return (answer.data?.result ?? []).map(({ metric, value }) => ({
      labels: metric,
      value: Number(value[1]),
    }));
  }

  /** The value of an expression with one series; undefined while there is no series. */
  async value(expression: string): Promise<number | undefined> {
    const found = await this.query(expression);
    if (found.length > 1) throw new Error(`${expression} has ${found.length} series`);
    return found[0]?.value;
  }

  /** Waits until an expression has the value. */
  async shows(expression: string, value: number): Promise<void> {
    for (const deadline = performance.now() + DEADLINE; ;) {
      const last = await this.value(expression);
      if (last === value) return;
      if (performance.now() > deadline) throw new Error(`${expression} is ${last}, not ${value}`);
      await sleep(INTERVAL / 5);
    }
  }
}

/** Runs promtool; resolves to the output, and rejects with the output if promtool finds fault. */
export async function promtool(args: readonly string[], input = ''): Promise<string> {
  const child = spawn('promtool', args, { stdio: 'pipe', timeout: 15_000 });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stdin.on('error', () => undefined).end(input);
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`promtool ${args.join(' ')}: ${output}`);
  return output;
}

/** Fails if promtool finds fault with a page of metrics: its format, names, units or HELP. */
export async function checkMetrics(page: string): Promise<void> {
  const output = await promtool(['check', 'metrics'], page);
  if (output !== '') throw new Error(`promtool check metrics: ${output}`);
}
