import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { TunnelError } from '../../../src/errors.js';
import { Cancellation, orAborted } from '../../../src/helpers/abort.js';
import { asEmitter } from '../../../src/helpers/emitter.js';
import { hook } from '../../../src/tunnel/hook.js';
import { nearest } from '../../../src/options/checks/nearest.js';

describe('nearest', () => {
  const known = ['server', 'balance', 'origins', 'allow', 'url'];
  test.each([
    ['sever', 'server'],
    ['SERVER', 'server'],
    ['servers', 'server'],
    ['origin', 'origins'],
    ['blanace', 'balance'],
    ['URI', 'url'],
    ['password', undefined],
    ['x', undefined],
  ])('%s: %s', (name, expected) => {
    expect(nearest(name, known)).toBe(expected);
  });

  test('no candidates give no suggestion', () => {
    expect(nearest('x', [])).toBeUndefined();
  });
});

describe('orAborted', () => {
  const reason = new Error('over');

  test('returns the outcome and leaves no listener on the signal', async () => {
    const { signal } = new AbortController();
    let listening = 0;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => {
      listening++;
      add(...args);
    };
    signal.removeEventListener = (...args: Parameters<typeof remove>) => {
      listening--;
      remove(...args);
    };
    expect(await orAborted(signal, () => 1)).toBe(1);
    expect(await orAborted(signal, () => Promise.resolve(2))).toBe(2);
    await expect(
      orAborted(signal, () => {
        throw reason;
      }),
    ).rejects.toBe(reason);
    await expect(orAborted(signal, () => Promise.reject(reason))).rejects.toBe(reason);
    expect(listening).toBe(0);
  });

  test('rejects at an abort, and ignores later outcomes', async () => {
    const controller = new AbortController();
    let settle: ((error: Error) => void) | undefined;
    const waiting = orAborted(controller.signal, () => new Promise((_resolve, reject) => (settle = reject)));
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    // Without a handler this late rejection would fail the run.
    settle?.(new Error('late'));
  });

  test('starts nothing after an abort', async () => {
    let started = false;
    await expect(orAborted(AbortSignal.abort(reason), () => (started = true))).rejects.toBe(reason);
    expect(started).toBe(false);
  });
});

describe('Cancellation', () => {
  const reason = new Error('over');

  test.each(['before', 'after'])(
    'its AbortSignal, read %s the abort, is aborted with the same reason',
    (when) => {
      const cancellation = new Cancellation();
      const early = when === 'before' ? cancellation.signal : undefined;
      expect(early?.aborted ?? false).toBe(false);
      cancellation.abort(reason);
      expect(cancellation.signal).toBe(early ?? cancellation.signal);
      expect(cancellation.signal).toMatchObject({ aborted: true, reason });
      expect(() => cancellation.throwIfAborted()).toThrow(reason);
    },
  );

  test('only the first abort counts, and calls each listener once, except one that another has removed', () => {
    const cancellation = new Cancellation();
    const calls: string[] = [];
    const last = () => calls.push('last');
    const removed = () => calls.push('removed');
    cancellation.addEventListener('abort', () => {
      calls.push('first');
      cancellation.removeEventListener('abort', removed);
      cancellation.removeEventListener('abort', () => undefined);
    });
    cancellation.addEventListener('abort', removed);
    cancellation.addEventListener('abort', last);
    cancellation.abort(reason);
    cancellation.abort(new Error('again'));
    cancellation.addEventListener('abort', last);
    expect(calls).toEqual(['first', 'last']);
    expect(cancellation.reason).toBe(reason);
  });

  test('has the reason of an AbortController if none is given', () => {
    const [cancellation, controller] = [new Cancellation(), new AbortController()];
    cancellation.abort();
    controller.abort();
    expect(cancellation.reason).toEqual(controller.signal.reason);
    expect(cancellation.reason).toHaveProperty('name', 'AbortError');
  });
});

describe('hook', () => {
  const { signal } = new AbortController();
  const fail = (thrown: unknown) => hook('authenticate', signal, () => Promise.reject(thrown));

  test("returns the hook's result", async () => {
    expect(await hook('user', signal, () => 'me')).toBe('me');
  });

  test('turns an error into a refusal with 500 that keeps the cause', async () => {
    const cause = new Error('database down');
    await expect(fail(cause)).rejects.toMatchObject({
      code: 'WSTUNNEL_HOOK_FAILED',
      status: 500,
      cause,
      body: 'The tunnel could not be opened.\n',
      message: 'authenticate failed: database down',
    });
    for (const thrown of ['text', undefined, null, Object.create(null)])
      await expect(fail(thrown)).rejects.toMatchObject({ status: 500, expose: false });
  });

  test("passes on a refusal, and treats an invalid option as the hook's fault", async () => {
    const refusal = new TunnelError('WSTUNNEL_NO_TARGET', 'no such desk');
    await expect(fail(refusal)).rejects.toBe(refusal);
    const wrong = new TunnelError('WSTUNNEL_OPTION', 'port');
    await expect(fail(wrong)).rejects.toMatchObject({ code: 'WSTUNNEL_HOOK_FAILED', cause: wrong });
  });

  test('passes on an abort', async () => {
    const reason = new Error('gone');
    const aborted = async () => hook('user', AbortSignal.abort(reason), () => 'me');
    await expect(aborted()).rejects.toBe(reason);
  });

  test('makes no promise for a hook that returns none', () => {
    expect(hook('user', signal, () => 'me')).toBe('me');
  });
});

describe('asEmitter', () => {
  test('returns a function that is an emitter and keeps call and apply', async () => {
    let value = 1;
    const both = asEmitter(
      function double(this: unknown, n: number) {
        return n * 2;
      },
      {
        get value() {
          return value;
        },
      },
    );
    expect(both(2)).toBe(4);
    expect(both.call(null, 3)).toBe(6);
    expect(both.apply(null, [4])).toBe(8);
    expect([both.name, both.length]).toEqual(['double', 1]);
    value = 5;
    expect(both.value).toBe(5);
    const heard = once(both, 'x');
    expect(both.emit('x', 7)).toBe(true);
    expect(await heard).toEqual([7]);
    expect(both.listenerCount('x')).toBe(0);
  });
});
