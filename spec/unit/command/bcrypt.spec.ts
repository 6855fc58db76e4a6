import { EventEmitter } from 'node:events';
import type { Worker } from 'node:worker_threads';
import { hashSync } from 'bcryptjs';
import { describe, expect, test, vi } from 'vitest';
import { Accounts } from '../../../src/command/listen/login/accounts.js';
import { BcryptThread } from '../../../src/command/listen/login/bcrypt-thread.js';

interface Question {
  readonly id: number;
  readonly password: string;
}

/** A worker thread whose answers the test sends. */
class FakeWorker extends EventEmitter {
  readonly asked: Question[] = [];
  readonly terminate = vi.fn(() => Promise.resolve(0));
  readonly unref = () => undefined;

  postMessage(question: Question): void {
    this.asked.push(question);
  }

  answer(password: string, isRight: boolean): void {
    const { id } = this.asked.find((one) => one.password === password)!;
    this.emit('message', { id, isRight });
  }
}

function startFakes() {
  const workers: FakeWorker[] = [];
  const failures: Error[] = [];
  const thread = new BcryptThread(() => {
    const failure = failures.shift();
    if (failure) throw failure;
    workers.push(new FakeWorker());
    return workers.at(-1) as unknown as Worker;
  });
  return { thread, workers, failures };
}

describe('issue 12, case 5: answers of the thread that compares passwords', () => {
  test('are matched with their questions in any order', async () => {
    const { thread, workers } = startFakes();
    const [wrong, right] = [thread.compare('wrong', ['h']), thread.compare('right', ['h'])];
    await vi.waitFor(() => expect(workers[0]?.asked).toHaveLength(2));
    workers[0]!.answer('right', true);
    workers[0]!.answer('wrong', false);
    expect([await wrong, await right]).toEqual([false, true]);
  });

  test('are ignored if they are repeated or unexpected', async () => {
    const { thread, workers } = startFakes();
    const first = thread.compare('first', ['h']);
    workers[0]!.answer('first', true);
    expect(await first).toBe(true);
    const second = thread.compare('second', ['h']);
    workers[0]!.answer('first', true);
    workers[0]!.emit('message', { id: 99, isRight: true });
    workers[0]!.answer('second', false);
    expect(await second).toBe(false);
  });

  test('a thread that can’t start fails its caller only', async () => {
    const { thread, workers, failures } = startFakes();
    failures.push(new Error('EAGAIN'));
    await expect(thread.compare('ann', ['h'])).rejects.toThrow('EAGAIN');
    const [wrong, right] = [thread.compare('wrong', ['h']), thread.compare('right', ['h'])];
    workers[0]!.answer('wrong', false);
    workers[0]!.answer('right', true);
    expect([await wrong, await right]).toEqual([false, true]);
  });

  test.each(['error', 'exit'])(
    'after its %s all open questions fail, and the next question starts a new thread',
    async (event) => {
      const { thread, workers } = startFakes();
      const open = [thread.compare('a', ['h']), thread.compare('b', ['h'])];
      workers[0]!.emit(event, new Error('it broke'));
      for (const one of open) await expect(one).rejects.toThrow(Error);
      const next = thread.compare('c', ['h']);
      // The exit of the previous thread is reported late.
      workers[0]!.emit('exit', 1);
      workers[1]!.answer('c', true);
      expect(await next).toBe(true);
    },
  );

  test('a thread that does not answer is terminated', async () => {
    vi.useFakeTimers();
    try {
      const { thread, workers } = startFakes();
      const question = expect(thread.compare('a', ['h'])).rejects.toThrow(/does not answer/);
      await vi.advanceTimersByTimeAsync(60_000);
      await question;
      expect(workers[0]!.terminate).toHaveBeenCalled();
    } finally {
      vi.useRealTimers();
    }
  });

  test('a wrong password is not remembered as right when the check before it failed', async () => {
    const { thread, failures } = startFakes();
    failures.push(new Error('EAGAIN'));
    const real = new BcryptThread();
    const bcrypt = {
      compare: (password: string, hashes: readonly string[]) =>
        (failures.length > 0 ? thread : real).compare(password, hashes),
    };
    const warn = vi.fn();
    const accounts = new Accounts(new Map([['ann', { hash: hashSync('right', 4) }]]), { bcrypt, warn });
    expect(await accounts.verify('ann', 'right')).toBe('failed');
    expect(warn.mock.calls).toEqual([["passwords can't be checked: EAGAIN"]]);
    const verdicts = ['wrong', 'right', 'wrong'].map((password) => accounts.verify('ann', password));
    expect(await Promise.all(verdicts)).toEqual(['no', 'yes', 'no']);
    expect(await accounts.verify('ann', 'wrong')).toBe('no');
  });

  test('the real thread compares with the first hash only', async () => {
    const thread = new BcryptThread();
    const [own, other] = [hashSync('own', 4), hashSync('other', 4)];
    expect(await thread.compare('own', [own, other])).toBe(true);
    expect(await thread.compare('other', [own, other])).toBe(false);
  });
});
