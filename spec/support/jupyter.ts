import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onCleanup } from './cleanup.js';
import { closedPort } from './closed-port.js';
import { Program } from './programs.js';
import { until } from './wait.js';

/** A real Jupyter below the path `/lab/`, with Debian's `jupyter-notebook`. */
export interface Jupyter {
  readonly program: Program;
  /** `host:port` */
  readonly address: string;
  readonly token: string;
  /** Starts a kernel, and resolves to the path of its WebSocket below `/lab`. */
  startKernel(): Promise<string>;
  /** Starts a terminal, and resolves to the path of its WebSocket below `/lab`. */
  startTerminal(): Promise<string>;
}

export const JUPYTER = ['jupyter-notebook', '/usr/lib/python3/dist-packages/terminado/__init__.py'] as const;

export async function startJupyter(): Promise<Jupyter> {
  const folder = await mkdtemp(join(tmpdir(), 'wstunnel-jupyter-'));
  onCleanup(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const port = await closedPort();
  const token = 'token-of-jupyter';
  const program = new Program(
    'jupyter-notebook',
    [
      ...['--no-browser', '--allow-root', '--ip=127.0.0.1', `--port=${port}`, `--notebook-dir=${folder}`],
      ...['--NotebookApp.port_retries=0', '--NotebookApp.base_url=/lab/'],
      // Jupyter compresses WebSocket messages on request only.
      '--NotebookApp.websocket_compression_options={}',
    ],
    { HOME: folder, JUPYTER_CONFIG_DIR: folder, JUPYTER_TOKEN: token, SHELL: '/bin/sh' },
  );
  await program.prints(/is running at/);
  const address = `127.0.0.1:${port}`;
  const post = async (what: 'kernels' | 'terminals') => {
    const answer = await fetch(`http://${address}/lab/api/${what}`, {
      method: 'POST',
      headers: { Authorization: `token ${token}` },
    });
    if (!answer.ok) throw new Error(`no ${what}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as { readonly id: string; readonly name: string };
  };
  return {
    ...{ program, address, token },
    startKernel: async () => `/api/kernels/${(await post('kernels')).id}/channels?session_id=spec`,
    startTerminal: async () => `/terminals/websocket/${(await post('terminals')).name}`,
  };
}

/** A request to a kernel, which answers with messages such as `execute_result`. */
export function execute(code: string): string {
  return JSON.stringify({
    header: {
      msg_id: `run-${code}`,
      username: '',
      session: 'spec',
      msg_type: 'execute_request',
      version: '5.3',
    },
    ...{ parent_header: {}, metadata: {}, buffers: [], channel: 'shell' },
    content: { code, silent: false, store_history: true, user_expressions: {}, allow_stdin: false },
  });
}

/** The text of an `execute_result` among the messages of a kernel, once it has arrived. */
export async function resultIn(messages: readonly string[]): Promise<string | undefined> {
  const find = () =>
    messages
      .map(
        (text) =>
          JSON.parse(text) as { msg_type: string; content: { data?: Readonly<Record<string, string>> } },
      )
      .find(({ msg_type }) => msg_type === 'execute_result');
  await until(() => find() !== undefined);
  return find()?.content.data?.['text/plain'];
}
