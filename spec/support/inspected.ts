import { once } from 'node:events';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { onCleanup } from './cleanup.js';
import { DEADLINE } from './wait.js';

/** The environment of a Node process whose children are inspectable as well. */
export const INSPECTABLE = { NODE_OPTIONS: '--inspect=127.0.0.1:0' };

const DIST = join(import.meta.dirname, '../../dist');

/** The addresses of the inspectors that an output names, in the order of the processes' starts. */
export function inspectorsIn(output: string): string[] {
  return [...output.matchAll(/Debugger listening on (\S+)/g)].map(([, url = '']) => url);
}

/** The state of a process after a garbage collection. */
export interface Footprint {
  readonly pid: number;
  /** Bytes on the heap. */
  readonly heap: number;
  /** Open handles, timers and requests of libuv, by type. */
  readonly resources: Readonly<Record<string, number>>;
  /** Listeners of all HTTP servers and of the process. */
  readonly listeners: number;
  /** Objects of each class of the package that was asked for. */
  readonly objects: Readonly<Record<string, number>>;
}

/** Sends commands to the inspector of another process: https://chromedevtools.github.io/devtools-protocol/v8/ */
export class Inspected {
  readonly #socket: WebSocket;
  #last = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  static async connect(url: string): Promise<Inspected> {
    const socket = new WebSocket(url);
    onCleanup(() => socket.terminate());
    await once(socket, 'open');
    return new Inspected(socket);
  }

  /** `classes`: file in `dist/` and name of each class whose objects are counted. */
  async footprint(classes: readonly (readonly [file: string, name: string])[]): Promise<Footprint> {
    // Twice: finalizers and weak references of the first collection free further objects.
    for (let turn = 0; turn < 2; turn++) await this.#send('HeapProfiler.collectGarbage');
    const objects: Record<string, number> = {};
    for (const [file, name] of classes)
      objects[name] = await this.#count(
        `process.mainModule.require(${JSON.stringify(join(DIST, file))}).${name}`,
      );
    const state = await this.#evaluate<Omit<Footprint, 'objects'>>(`(() => {
      const resources = {};
      for (const type of process.getActiveResourcesInfo()) resources[type] = (resources[type] ?? 0) + 1;
      const emitters = [process, ...process._getActiveHandles().filter((one) => one.listen && one.eventNames)];
      const listeners = emitters.flatMap((one) => one.eventNames().map((name) => one.listenerCount(name)));
      return {
        pid: process.pid,
        heap: process.memoryUsage().heapUsed,
        resources,
        listeners: listeners.reduce((a, b) => a + b, 0),
      };
    })()`);
    return { ...state, objects };
  }

  async #count(constructor: string): Promise<number> {
    const objectGroup = 'counted';
    const { result } = await this.#send<{ result: { objectId: string } }>('Runtime.evaluate', {
      expression: `${constructor}.prototype`,
      objectGroup,
    });
    const { objects } = await this.#send<{ objects: { objectId: string } }>('Runtime.queryObjects', {
      prototypeObjectId: result.objectId,
      objectGroup,
    });
    const { result: length } = await this.#send<{ result: { value: number } }>('Runtime.callFunctionOn', {
      functionDeclaration: 'function () { return this.length; }',
      objectId: objects.objectId,
      returnByValue: true,
    });
    await this.#send('Runtime.releaseObjectGroup', { objectGroup });
    return length.value;
  }

  async #evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = await this.#send<{
      result: { value: T };
      exceptionDetails?: object;
    }>('Runtime.evaluate', { expression, returnByValue: true });
    if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
    return result.value;
  }

  #send<T = unknown>(method: string, params: object = {}): Promise<T> {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => done(() => reject(new Error(`${method}: no answer`))), DEADLINE);
      const done = (act: () => void) => {
        clearTimeout(timer);
        this.#socket.off('message', onMessage);
        act();
      };
      const onMessage = (data: Buffer) => {
        const answer = JSON.parse(data.toString()) as { id?: number; result: T; error?: object };
        if (answer.id !== id) return;
        if (answer.error) done(() => reject(new Error(`${method}: ${JSON.stringify(answer.error)}`)));
        else done(() => resolve(answer.result));
      };
      this.#socket.on('message', onMessage);
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }
}
