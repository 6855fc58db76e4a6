import type { Message } from './messages.js';

/** Limit of questions that wait for answers. A further question is sent, but its answers are dropped. */
const MAX_OPEN = 1000;

/** The answers of other replicas by address, and the addresses of replicas that did not answer in time. */
export interface Answers {
  readonly answers: ReadonlyMap<string, unknown>;
  readonly silent: readonly string[];
}

interface OpenQuestion {
  readonly answers: Map<string, unknown>;
  readonly missing: Set<string>;
  readonly done: () => void;
}

/** Collects the answers of other replicas to questions. Each question has a deadline. */
export class Questions {
  readonly #open = new Map<string, OpenQuestion>();

  /** `ask` sends the question. Never rejects: if the question can't be sent, all replicas are silent. */
  async collect(
    question: string,
    replicas: readonly string[],
    seconds: number,
    ask: () => Promise<unknown>,
  ): Promise<Answers> {
    if (replicas.length === 0) return { answers: new Map(), silent: replicas };
    if (this.#open.size >= MAX_OPEN) {
      // A call of end() takes effect also if nobody reads the answers.
      ask().catch(() => undefined);
      return { answers: new Map(), silent: replicas };
    }
    const answers = new Map<string, unknown>();
    const missing = new Set(replicas);
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      timer = setTimeout(resolve, seconds * 1000);
      this.#open.set(question, { answers, missing, done: resolve });
      ask().catch(() => resolve());
    });
    clearTimeout(timer);
    this.#open.delete(question);
    return { answers, silent: [...missing] };
  }

  received({ question, from, data }: Extract<Message, { kind: 'answer' }>): void {
    const open = this.#open.get(question);
    if (!open?.missing.delete(from)) return;
    open.answers.set(from, data);
    if (open.missing.size === 0) open.done();
  }

  /** Ends all questions with the answers so far. */
  close(): void {
    for (const { done } of this.#open.values()) done();
  }
}
